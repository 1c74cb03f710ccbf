"""Who may come in, and what is known of them: the token says it."""

from langgraph_sdk import Auth

auth = Auth()
GROUPS = {"alice": ["engineering"], "bob": ["engineering"]}
MODES = {"carol": {"user_profile": "PROPOSE"}}


@auth.authenticate
async def authenticate(headers: dict) -> dict:
    token = headers.get(b"authorization", b"").decode()
    if not token.startswith("Bearer "):
        raise Auth.exceptions.HTTPException(status_code=401, detail="who are you?")
    name = token.removeprefix("Bearer ")
    return {"identity": name, "groups": GROUPS.get(name, []), "modes": MODES.get(name, {})}
