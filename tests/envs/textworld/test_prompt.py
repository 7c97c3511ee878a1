"""The prompt of a TextWorld game, and what it keeps of an episode."""

from __future__ import annotations

from typing import Any

from londi.envs.textworld.prompt import TextWorldHistory

KITCHEN = "-= Kitchen =-\nYou are in a kitchen.\nThere is an exit to the east."
PANTRY = "-= Pantry =-\nYou are in a pantry.\nThere is an exit to the west."


def info(look: str, recipe: str = "", carried: str = "nothing") -> dict[str, Any]:
    told = {"look": look, "recipe": recipe, "inventory": f"You are carrying: {carried}."}
    return {"goal": "Eat.", "actions": ("go east", "go west"), "expert": "go east", **told}


def test_a_prompt_tells_what_is_in_sight_and_the_last_two_steps() -> None:
    history = TextWorldHistory(KITCHEN, info(KITCHEN))
    assert history.prompt().text() == (
        "Goal: Eat.\n"
        "Visited rooms: Kitchen\n"
        "Room: -= Kitchen =- | You are in a kitchen. | There is an exit to the east.\n"
        "Inventory: You are carrying: nothing.\n"
        "Action:"
    )
    recipe = "Ingredients:\nsalt\nDirections:\nprepare meal"
    history.add("examine cookbook", "You read.\nIt is dull.", info(KITCHEN, recipe))
    history.add("go east", PANTRY, info(PANTRY, recipe))
    history.add("take salt", "You take the salt.", info(PANTRY, recipe, "some salt"))
    assert history.prompt().text() == (
        "Goal: Eat.\n"
        "Recipe: Ingredients: | salt | Directions: | prepare meal\n"
        "Visited rooms: Kitchen, Pantry\n"
        "Action: go east\n"
        "Result: -= Pantry =-\n"
        "Action: take salt\n"
        "Result: You take the salt.\n"
        "Room: -= Pantry =- | You are in a pantry. | There is an exit to the west.\n"
        "Inventory: You are carrying: some salt.\n"
        "Action:"
    )
    assert "Result" not in history.prompt().recent(1).text()


def test_a_prompt_holds_what_the_environment_tells_besides() -> None:
    history = TextWorldHistory(KITCHEN, info(KITCHEN))
    for look in (PANTRY, KITCHEN, "It is dark."):
        history.add("go east", look, info(look))
    prompt = history.prompt()
    assert prompt.rooms == ("Kitchen", "Pantry")
    assert (prompt.goal, prompt.actions, prompt.expert) == (
        "Eat.",
        ("go east", "go west"),
        "go east",
    )
    assert prompt.observations == (PANTRY, KITCHEN, "It is dark.")
