"""The tasks, one file each. Knows their names and no more."""

from hollama.evaluate.task import Task
from hollama.evaluate.tasks import c4, gsm8k, hellaswag, lambada, mmlu, text, wikitext, wikitext_pages

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK for module in (wikitext, c4, text, wikitext_pages, hellaswag, mmlu, lambada, gsm8k)
}
