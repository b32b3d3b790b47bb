# Whose workflows plan and deploy dev: the repository, as owner/name, in quotes; null for nobody's.
github_repository = null
