"""Who comes, for the mounted app: `Bearer user|group,group|permission`."""

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(headers: dict) -> dict:
    token = headers.get(b"authorization", b"").decode()
    if not token.startswith("Bearer ") or "|" not in token:
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
    user, groups, permission = token.removeprefix("Bearer ").split("|")
    return {
        "identity": user,
        "groups": [one for one in groups.split(",") if one],
        "permissions": [permission] if permission else [],
    }
