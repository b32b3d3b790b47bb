# GitHub repository whose workflows plan and deploy prod, as "owner/name"; null for none.
github_repository = null
