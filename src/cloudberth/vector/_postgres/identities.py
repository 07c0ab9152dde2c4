"""Passwords that a cloud gives for an identity, each for minutes, asked for whenever a connection is opened.

- AWS (RDS, Aurora): a URL that is signed here, good for 15 minutes, for a user with the role `rds_iam`.
  https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
- Azure (Database for PostgreSQL): a token of Microsoft Entra for the scope of open-source databases.
  https://learn.microsoft.com/azure/postgresql/flexible-server/security-entra-configure
- Google (Cloud SQL, AlloyDB): an access token of the service account that is the user.
  https://cloud.google.com/sql/docs/postgres/iam-logins
"""

from __future__ import annotations

from typing import Literal

from cloudberth.errors import InvalidInput, PermissionDenied
from cloudberth.extras import late_import

Identity = Literal["password", "aws", "azure", "google"]
_AZURE = "https://ossrdbms-aad.database.windows.net/.default"
_GOOGLE = "https://www.googleapis.com/auth/sqlservice.login"


def token(identity: Identity, host: str, port: int, user: str, region: str) -> str:
    """A password of the moment. Raises PermissionDenied when no identity is found here."""
    try:
        if identity == "aws":
            return _aws(host, port, user, region)
        return _azure() if identity == "azure" else _google()
    except InvalidInput:
        raise
    except Exception as error:
        raise PermissionDenied(
            f"no identity of {identity} gives a password: {' '.join(str(error).split())[:200]}",
            hint="is this machine, or this shell, logged in there?",
        ) from None


def _aws(host: str, port: int, user: str, region: str) -> str:
    boto3 = late_import("boto3", extra="aws", needed_for="AWS IAM on PostgreSQL")
    client = boto3.session.Session().client("rds", region_name=region or None)
    made: str = client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    return made


def _azure() -> str:
    library = late_import("azure.identity", extra="azure", needed_for="Microsoft Entra on PostgreSQL")
    return str(library.DefaultAzureCredential().get_token(_AZURE).token)


def _google() -> str:
    library = late_import("google.auth", extra="google", needed_for="Google IAM on PostgreSQL")
    transport = late_import(
        "google.auth.transport.requests", extra="google", needed_for="Google IAM on PostgreSQL"
    )
    credentials, _ = library.default(scopes=[_GOOGLE])
    credentials.refresh(transport.Request())
    return str(credentials.token)
