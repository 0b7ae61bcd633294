"""A Messages API server that answers with the usage it is told, for what `confab mock` never says.

    server = usage_server.start([{"model": "claude-haiku-5-5", "usage": {...}}, ...])
    ... a prompt that begins with "case 3 " gets the fourth reply ...
    server.close()
"""
import messages_server


def start(replies):
    """Listens on a free port; each reply is what it says besides the text: model and usage."""
    def answer(request):
        number = int(messages_server.first_text(request).split()[1])
        return {"request_id": f"req_{number}", **replies[number]}
    return messages_server.start(answer)
