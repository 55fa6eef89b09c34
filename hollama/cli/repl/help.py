"""What `/?` and its relatives print."""

from __future__ import annotations

from collections.abc import Sequence

COMMANDS = (
    ("/set", "Set what the session does"),
    ("/show", "Show what the model is"),
    ("/load <model>", "Talk to another model"),
    ("/save <model>", "Save this session as a model"),
    ("/clear", "Forget what was said"),
    ("/bye", "Leave"),
    ("/?, /help", "Help for a command"),
    ("/? shortcuts", "Help for keyboard shortcuts"),
)
SET = (
    ("/set parameter ...", "Set a parameter"),
    ("/set system <text>", "Set the system message"),
    ("/set history", "Keep history"),
    ("/set nohistory", "Keep no history"),
    ("/set wordwrap", "Wrap lines at words"),
    ("/set nowordwrap", "Leave lines as they are"),
    ("/set format json", "Have the model answer in JSON"),
    ("/set noformat", "Let the model answer as it likes"),
    ("/set verbose", "Show what an answer cost"),
    ("/set quiet", "Do not show it"),
    ("/set think [level]", "Have the model think first"),
    ("/set nothink", "Have it answer at once"),
)
SHOW = (
    ("/show info", "What the model is"),
    ("/show license", "Its license"),
    ("/show modelfile", "Its Modelfile"),
    ("/show parameters", "Its parameters, and this session's"),
    ("/show system", "The system message"),
    ("/show template", "Its prompt template"),
)
SHORTCUTS = (
    ("Ctrl + a", "Move to the beginning of the line (Home)"),
    ("Ctrl + e", "Move to the end of the line (End)"),
    ("Alt + b", "Move back by a word (left)"),
    ("Alt + f", "Move forward by a word (right)"),
    ("Ctrl + k", "Delete to the end of the line"),
    ("Ctrl + u", "Delete to the beginning of the line"),
    ("Ctrl + w", "Delete the word before the cursor"),
    ("Ctrl + l", "Clear the screen"),
    ("Ctrl + g", "Open an editor on the text"),
    ("Ctrl + c", "Stop the answer; at the prompt, drop the text"),
    ("Ctrl + d", "Leave"),
)
PARAMETERS = (
    ("/set parameter seed <int>", "Random number seed"),
    ("/set parameter num_predict <int>", "Most tokens to answer with"),
    ("/set parameter top_k <int>", "Draw from the k most likely tokens"),
    ("/set parameter top_p <float>", "Draw from the tokens that make up this probability"),
    ("/set parameter min_p <float>", "Leave out tokens less likely than this share of the likeliest"),
    ("/set parameter num_ctx <int>", "Tokens of context"),
    ("/set parameter temperature <float>", "How adventurous the model is"),
    ("/set parameter repeat_penalty <float>", "How strongly repetitions are punished"),
    ("/set parameter repeat_last_n <int>", "How far back repetitions are looked for"),
    ("/set parameter stop <string> <string> ...", "Texts that end an answer"),
)
TITLES = {"set": SET, "show": SHOW, "shortcut": SHORTCUTS, "shortcuts": SHORTCUTS}


def help_text(topic: str = "") -> str:
    """The page about a topic, or about everything."""
    if topic in TITLES:
        return page(TITLES[topic])
    return page(COMMANDS) + 'Use """ to begin and to end a message of several lines.\n'


def page(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "Available commands:\n" + "".join(f"  {name:<{width}}  {what}\n" for name, what in rows) + "\n"
