"""ScienceWorld's prompts, as SwiftSage's models read them."""

from __future__ import annotations

from typing import Any

from londi.envs.scienceworld.prompt import ScienceHistory, SciencePrompt

BOIL = (
    "Your task is to boil lead. For compounds without a boiling point, combusting the substance is"
    " also acceptable. First, focus on the substance. Then, take actions that will cause it to"
    " change its state of matter."
)


BATHROOM = (
    "This room is called the bathroom. In it, you see: \n\tthe agent\n\ta substance called air"
    "\n\ta glass cup (containing nothing)\nYou also see:\n\tA door to the kitchen (that is open)\n"
)


SEEN = (
    "This room is called the bathroom. In it, you see:  | the agent | a substance called air"
    " | a glass cup  | You also see: | A door to the kitchen  | "
)


def science(score: int = 0, look: str = BATHROOM, **more: Any) -> dict[str, Any]:
    inventory = "In your inventory, you see:\n\tan orange\n"
    return {
        "goal": BOIL,
        "actions": (),
        "score": score,
        "look": look,
        "inventory": inventory,
    } | more


def test_the_first_state_of_scienceworld_reads_as_published() -> None:
    assert ScienceHistory(BATHROOM, science()).prompt().text() == (
        f"{BOIL} </s> Time: 1; Score: 0; </s> Action history: </s>"
        f" <extra_id_10> look around (+0) --> N/A |  </s> Current environment: {SEEN} </s>"
        " Current inventory: In your inventory, you see: | an orange |  </s>"
        " Visited rooms: bathroom </s>  What action should you do next? </s> "
    )


def test_a_later_state_of_scienceworld_shows_what_came_of_the_last_ten_actions() -> None:
    history = ScienceHistory(BATHROOM, science())
    outside = "This outside location is called the outside. Here you see: \n\tthe agent\n"
    history.add("go to outside", "You move to the outside.", science(8, outside))
    text = history.prompt().text()
    assert "Time: 2; Score: 8; </s> Action history: </s> <extra_id_10> look around" in text
    assert " <extra_id_9> go to outside (+8) --> You move to the outside. | " in text
    assert "Visited rooms: bathroom, outside </s>" in text
    for k in range(9):
        history.add(f"wait{k}", "...", science(5, outside))
    text = history.prompt().text()
    assert "look around" not in text
    assert "</s> <extra_id_10> go to outside (+8)" in text
    assert "<extra_id_9> wait0 (+-3)" in text
    assert "<extra_id_1> wait8 (+0)" in text
    assert "<extra_id_0>" not in text
    short = history.prompt().recent(3).text()
    assert (
        "</s> <extra_id_10> wait7 (+0) --> ... |  <extra_id_9> wait8 (+0) --> ... |  </s>" in short
    )
    assert "Time: 11; Score: 5" in short


def walked(*actions: str) -> ScienceHistory:
    """A history of steps that change nothing but the score, by one each."""
    history = ScienceHistory(BATHROOM, science())
    for score, action in enumerate(actions, 1):
        history.add(action, f"{action} done", science(score))
    return history


def test_a_prompt_keeps_ten_actions_and_counts_all() -> None:
    prompt = walked(*(f"a{k}" for k in range(13))).prompt()
    assert isinstance(prompt, SciencePrompt)
    assert prompt.past == tuple(f"a{k}" for k in range(3, 13))
    assert prompt.observations == tuple(f"a{k} done" for k in range(2, 13))
    assert prompt.gains == (1,) * 10
    assert (prompt.steps, prompt.score) == (13, 13)


def test_a_shorter_prompt_keeps_the_gains_of_its_actions() -> None:
    history = walked("x", "y")
    history.add("z", "worse", science(-5))
    prompt = history.prompt()
    assert prompt.gains == (1, 1, -7)
    short = prompt.recent(2)
    assert (short.past, short.gains, short.observations) == (("z",), (-7,), ("y done", "worse"))
    assert (short.steps, short.score) == (3, -5)
    assert prompt.recent(1).gains == () and prompt.recent(1).text()
    assert prompt.recent(4) is prompt


def test_a_room_is_named_once_in_the_order_of_visits() -> None:
    def called(room: str) -> str:
        return f"This room is called the {room}. In it, you see: \n\tthe agent\n"

    history = ScienceHistory(BATHROOM, science())
    for room in ("hallway", "bathroom", "art studio", "hallway"):
        history.add(f"go to {room}", "...", science(look=called(room)))
    history.add("wait", "...", science(look="It is dark."))
    prompt = history.prompt()
    assert prompt.rooms == ("bathroom", "hallway", "art studio")
    assert "Visited rooms: bathroom, hallway, art studio </s>" in prompt.text()


def test_where_no_room_is_named_none_is_shown() -> None:
    text = ScienceHistory("?", science(look="It is dark.")).prompt().text()
    assert "Visited rooms" not in text
    assert "orange |  </s>  What action should you do next? </s> " in text


def test_advice_is_kept_and_not_shown() -> None:
    prompt = ScienceHistory(BATHROOM, science(expert="open door")).prompt()
    assert prompt.expert == "open door" and "open door" not in prompt.text()
