# GitHub repository whose workflows plan and deploy dev, as "owner/name"; null for none.
github_repository = null
