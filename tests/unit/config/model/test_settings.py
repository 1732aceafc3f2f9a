"""How contexts are laid over each other."""

from pydaemonwsgi.config.model import (
    DEFAULT_SETTINGS,
    ErrorDocument,
    Options,
    Position,
    Redirect,
    Rewrite,
    RewriteRule,
    Settings,
    merge_settings,
)


def test_a_later_value_replaces_an_earlier_one() -> None:
    merged = merge_settings(Settings(process_group="a", error_override=True), Settings(process_group="b"))
    assert (merged.process_group, merged.error_override) == ("b", True)


def test_off_replaces_on() -> None:
    assert merge_settings(Settings(error_override=True), Settings(error_override=False)).error_override is False


def test_a_list_that_says_none_replaces_an_earlier_list() -> None:
    merged = merge_settings(Settings(directory_index=("index.html",)), Settings(directory_index=()))
    assert merged.directory_index == ()


def test_error_documents_of_both_count_the_later_last() -> None:
    outer, inner = ErrorDocument(404, "text", "outer"), ErrorDocument(404, "text", "inner")
    merged = merge_settings(Settings(error_documents=(outer,)), Settings(error_documents=(inner,)))
    assert merged.error_documents == (outer, inner)


def test_redirects_of_the_inner_context_are_asked_first() -> None:
    outer, inner = Redirect(302, "/a", "/b"), Redirect(302, "/a", "/c")
    assert merge_settings(Settings(redirects=(outer,)), Settings(redirects=(inner,))).redirects == (inner, outer)


def test_relative_options_change_the_set_before_them() -> None:
    relative = Options(added=frozenset({"execcgi"}), removed=frozenset({"followsymlinks"}))
    merged = merge_settings(DEFAULT_SETTINGS, Settings(options=relative))
    assert merged.options is not None
    assert merged.options.effective == {"execcgi"}


def test_absolute_options_forget_the_set_before_them() -> None:
    merged = merge_settings(DEFAULT_SETTINGS, Settings(options=Options(whole=frozenset({"multiviews"}))))
    assert merged.options is not None
    assert merged.options.effective == {"multiviews"}


def test_relative_options_add_up_before_there_is_a_set() -> None:
    first = Settings(options=Options(added=frozenset({"indexes"}), removed=frozenset({"execcgi"})))
    second = Settings(options=Options(added=frozenset({"execcgi"}), removed=frozenset({"indexes"})))
    merged = merge_settings(DEFAULT_SETTINGS, merge_settings(first, second))
    assert merged.options is not None
    assert merged.options.effective == {"followsymlinks", "execcgi"}


def test_rewrite_rules_replace_those_before_and_keep_the_engine() -> None:
    outer = Rewrite(engine=True, base="/x", rules=(RewriteRule("a", "b"),))
    inner = Rewrite(rules=(RewriteRule("c", "d"),), directory="/srv")
    merged = merge_settings(Settings(rewrite=outer), Settings(rewrite=inner)).rewrite
    assert merged == Rewrite(True, "/x", rules=inner.rules, directory="/srv")


def test_rewrite_rules_are_inherited_on_request() -> None:
    outer = Settings(rewrite=Rewrite(engine=True, rules=(RewriteRule("a", "b"),)))
    after = Rewrite(options=frozenset({"inherit"}), rules=(RewriteRule("c", "d"),))
    before = Rewrite(options=frozenset({"inheritbefore"}), rules=(RewriteRule("c", "d"),))
    merged = [merge_settings(outer, Settings(rewrite=inner)).rewrite for inner in (after, before)]
    assert [[rule.pattern for rule in rewrite.rules] for rewrite in merged if rewrite] == [["c", "a"], ["a", "c"]]


def test_merging_with_nothing_changes_nothing() -> None:
    assert (
        merge_settings(Settings(), DEFAULT_SETTINGS) == DEFAULT_SETTINGS == merge_settings(DEFAULT_SETTINGS, Settings())
    )


def test_equality_does_not_ask_for_positions() -> None:
    assert Redirect(302, "/a", "/b", position=Position("a.conf", 1)) == Redirect(302, "/a", "/b")


def test_a_position_reads_as_file_and_line() -> None:
    assert str(Position("/etc/site.conf", 12)) == "/etc/site.conf:12"
