"""``use: webhook``: tell a web server."""

from listener.actions.webhook.action import WebhookAction

__all__ = ["WebhookAction"]
