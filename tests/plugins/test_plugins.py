"""The door for third parties: what is found, whose it is, and what is refused."""

import inspect
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from hollama import hookspecs, plugins
from hollama.errors import PluginError
from hollama.hookspecs import hookimpl
from hollama.interfaces import SamplerSpec
from hollama.plugins import load_plugins

HOOKS = [name for name in vars(hookspecs) if name.startswith("hollama_")]


def sampler_plugin(*names):
    return SimpleNamespace(
        hollama_samplers=hookimpl(lambda: [SamplerSpec(name, 1, lambda context: None) for name in names])
    )


def failing_plugin(hook):
    def fail():
        raise ZeroDivisionError

    fail.__name__ = hook
    return SimpleNamespace(**{hook: hookimpl(fail)})


def test_every_hook_is_documented_and_a_field_of_plugins():
    assert HOOKS
    for name in HOOKS:
        assert inspect.getdoc(getattr(hookspecs, name)), name
    assert [kind for kind, _ in load_plugins()] == [name.removeprefix("hollama_") for name in HOOKS]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_contributions_of_ours(name):
    found = dict(load_plugins())[name.removeprefix("hollama_")]
    assert found
    assert all("(hollama " in contribution.owner for contribution in found.values())


@pytest.mark.parametrize("name", HOOKS)
def test_every_contribution_says_what_it_is(name):
    for contribution in dict(load_plugins())[name.removeprefix("hollama_")].values():
        assert contribution.spec.help, contribution.spec.name


def test_ours_are_all_there():
    found = load_plugins()
    assert set(found.samplers) >= {"penalties", "top_k", "typical_p", "top_p", "min_p", "temperature", "greedy"}
    assert set(found.tokenizers) >= {"byte", "huggingface"}
    assert "null" in found.backends


def test_owner_is_told():
    found = load_plugins([("mine", sampler_plugin("loud"))])
    assert found.samplers["loud"].owner == "mine"


def test_misspelt_hook_is_named_and_the_right_ones_are_told():
    with pytest.raises(PluginError, match=r"hollama_sampler\b.*hollama_samplers"):
        load_plugins([("mine", failing_plugin("hollama_sampler"))])


def test_name_given_twice_tells_both_owners():
    with pytest.raises(PluginError, match='two plugins provide the sampler "loud": one and two'):
        load_plugins([("one", sampler_plugin("loud")), ("two", sampler_plugin("loud"))])


def test_name_given_twice_by_one_plugin():
    with pytest.raises(PluginError, match="one and one"):
        load_plugins([("one", sampler_plugin("loud", "loud"))])


def test_name_of_ours_cannot_be_taken():
    with pytest.raises(PluginError, match=r'"top_k".*\(hollama .*mine'):
        load_plugins([("mine", sampler_plugin("top_k"))])


def test_hook_that_fails_is_named():
    with pytest.raises(PluginError, match='"mine" failed in hollama_samplers: ZeroDivisionError'):
        load_plugins([("mine", failing_plugin("hollama_samplers"))])


def test_plugin_that_cannot_be_imported_is_named(monkeypatch):
    broken = EntryPoint("broken", "module_that_is_not_there", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    with pytest.raises(PluginError, match='"broken" cannot be imported: ModuleNotFoundError'):
        load_plugins()


def test_same_owner_twice_is_refused():
    with pytest.raises(PluginError, match="registered"):
        load_plugins([("mine", sampler_plugin("a")), ("mine", sampler_plugin("b"))])


def test_asking_for_what_nobody_provides_tells_what_there_is():
    with pytest.raises(PluginError, match=r'the backend "abacus"; there are: .*null'):
        load_plugins().backend("abacus")
    with pytest.raises(PluginError, match=r"there are: byte, huggingface"):
        load_plugins().tokenizer("runes")
