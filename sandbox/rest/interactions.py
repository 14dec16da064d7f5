"""Callbacks of interactions, and the messages behind their tokens."""

from sandbox import answers, payloads
from sandbox.messages import Body, edit_message
from sandbox.rest.call import NOTHING, Call, Reply


async def post_callback(call: Call) -> Reply:
    """POST /interactions/{interaction_id}/{token}/callback."""
    sandbox = call.sandbox
    interaction = sandbox.interactions.to_answer(call.parameters["interaction_id"], call.parameters["token"])
    document = call.document
    body = Body(document.get("data") or {}, call.files)
    record = answers.answer(sandbox, interaction, int(document.get("type") or 0), body)
    if call.query.get("with_response", "").lower() in ("true", "1"):
        return Reply(answers.callback_response(sandbox, interaction, record))
    return NOTHING


async def post_follow_up(call: Call) -> Reply:
    """POST /webhooks/{webhook_id}/{token}."""
    sandbox = call.sandbox
    interaction = sandbox.interactions.to_follow(call.parameters["webhook_id"], call.parameters["token"])
    record = answers.follow_up(sandbox, interaction, call.message_body)
    return Reply(payloads.message(sandbox, record))


async def get_answer(call: Call) -> Reply:
    """GET /webhooks/{webhook_id}/{token}/messages/{message_id}, "@original" too."""
    sandbox = call.sandbox
    interaction = sandbox.interactions.to_follow(call.parameters["webhook_id"], call.parameters["token"])
    record = answers.find_message(sandbox, interaction, call.parameters["message_id"])
    return Reply(payloads.message(sandbox, record))


async def patch_answer(call: Call) -> Reply:
    """PATCH /webhooks/{webhook_id}/{token}/messages/{message_id}, "@original" too."""
    sandbox = call.sandbox
    interaction = sandbox.interactions.to_follow(call.parameters["webhook_id"], call.parameters["token"])
    record = answers.find_message(sandbox, interaction, call.parameters["message_id"])
    edit_message(sandbox, record, call.message_body)
    return Reply(payloads.message(sandbox, record))


async def delete_answer(call: Call) -> Reply:
    """DELETE /webhooks/{webhook_id}/{token}/messages/{message_id}, "@original" too."""
    sandbox = call.sandbox
    interaction = sandbox.interactions.to_follow(call.parameters["webhook_id"], call.parameters["token"])
    answers.drop(sandbox, interaction, call.parameters["message_id"])
    return NOTHING
