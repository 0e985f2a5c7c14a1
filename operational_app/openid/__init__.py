"""Sign-in across applications (OpenID Connect): we are the provider of registered applications, and may ourselves be a
client of one provider above us (the province's).

Belongs here: applications and their roles, the protocol's endpoints, tokens, identities elsewhere that are linked to
accounts. Not here: passwords, sessions and rights within the platform (`identity`), and Superset and Dagster, which
stand behind the front door's question (docs/adr/0006-openid-provider.md).
"""
