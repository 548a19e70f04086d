"""Prompts for common questions, which a person picks in the assistant."""

from __future__ import annotations

from mcp.server import MCPServer


def add_prompts(made: MCPServer) -> None:
    """Add every prompt to a server."""
    for title, prompt in (
        ("How are we doing?", how_are_we_doing),
        ("What should be done now?", what_now),
        ("Is this market safe?", is_it_safe),
    ):
        made.prompt(title=title)(prompt)


def how_are_we_doing() -> str:
    """Positions, realised against predicted yield, and plans that wait for approval."""
    return (
        "Use list_positions, list_signals and list_plans (status queued). Say in a short table what we hold, what it "
        "earned, realised against predicted yield, every alarm, and which plans wait for me with their commands."
    )


def what_now() -> str:
    """The plan that would be made now, with its reasons."""
    return (
        "Use what_if without arguments. Say each move with amount, gain a year, cost and break-even, why it is made, "
        "and the bound: how much better any plan could be at most. If nothing would be done, say why. Then ask me "
        "whether to call request_approval; do not call it by yourself."
    )


def is_it_safe(market: str) -> str:
    """One market's grade with its evidence."""
    return (
        f"Find the market that this names: {market[:100]!r} (list_markets), then use get_risk, get_forecast and "
        "get_history. Say its safety grade, the three weakest sides with their evidence and what is not known, the "
        "expected loss, whether its rate is a spike, and how much of our money could leave it today."
    )
