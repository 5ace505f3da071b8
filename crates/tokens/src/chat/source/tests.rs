use super::Source;

#[track_caller]
fn check(template: &str, jinja: &str, literals: &[&str]) {
    let source = Source::read(template);
    assert_eq!(source.jinja, jinja);
    assert_eq!(source.literals, literals);
    assert_eq!(source.marks_generation, jinja.contains("__generated"));
}

#[test]
fn generation_becomes_a_call_and_the_rest_stays() {
    check("a{{ b }}c", "a{{ b }}c", &["a", "c"]);
    check(
        "{%- generation -%}x{% endgeneration +%}",
        "{%- call __generated() -%}x{% endcall +%}",
        &["x"],
    );
    check("{%generation%}{%\nendgeneration %}", "{%call __generated()%}{%\nendcall %}", &[]);
    // Not where it is text, a comment or a string.
    check("{# {% generation %} #}", "{# {% generation %} #}", &[]);
    check(
        "{% raw %}{% generation %}{% endraw %}",
        "{% raw %}{% generation %}{% endraw %}",
        &["{% generation %}"],
    );
    check(
        "{{ '{% generation %}' }}{% set x = \"}}\" %}",
        "{{ '{% generation %}' }}{% set x = \"}}\" %}",
        &["{% generation %}", "}}"],
    );
    check("{% set generation = 1 %}", "{% set generation = 1 %}", &[]);
}

#[test]
fn strings_are_read_as_the_template_prints_them() {
    check(
        r"{{ 'it\'s\n' + '\u6c34' + '\x41\d' }}",
        r"{{ 'it\'s\n' + '\u6c34' + '\x41\d' }}",
        &["it's\n", "水", r"A\d"],
    );
    check("{{ {'a': {'b': 1}} }}!", "{{ {'a': {'b': 1}} }}!", &["a", "b", "!"]);
}

#[test]
fn what_is_joined_is_joined_to_a_safe_string() {
    check(
        "{{ 'a~b' ~ c ~d }}~{% set x = (a~ b) %}{# ~ #}",
        "{{ 'a~b' ~''|safe~ c ~''|safe~d }}~{% set x = (a~''|safe~ b) %}{# ~ #}",
        &["a~b", "~"],
    );
}

#[test]
fn blocks_with_a_scope_read_the_namespaces() {
    check(
        "{% set ns.a = 1 %}{%- set ns.b=2 %}{% set x = 3 %}{%- generation -%} {% set m.c %}",
        "{% set ns.a = 1 %}{%- set ns.b=2 %}{% set x = 3 %}{%- call __generated()  %}{% if ns is defined or m is defined %}{% endif -%} {% set m.c %}",
        &[" "],
    );
    check(
        "{% macro f(x) %}{% set ns.a = 1 %}{% endmacro %}",
        "{% macro f(x)  %}{% if ns is defined %}{% endif %}{% set ns.a = 1 %}{% endmacro %}",
        &[],
    );
}

#[test]
fn escapes_of_python_alone_are_written_out() {
    check(
        r"{{ '\U0001f600\\U0001f600\n\a' }}",
        "{{ '😀\\\\U0001f600\\n\u{7}' }}",
        &["\\U0001f600\\U0001f600\n\\a"],
    );
    check("{{ 'a\\\nb' }}", "{{ 'ab' }}", &["a\\\nb"]);
}

#[test]
fn line_ends_are_line_feeds() {
    check("a\r\nb\rc", "a\nb\nc", &["a\nb\nc"]);
}

#[test]
fn what_is_no_template_passes_unchanged() {
    for text in ["", "{", "{{", "{%", "{#", "{{ 'a", "{% raw %}", "{% generation", "{%-", "}}"] {
        assert_eq!(Source::read(text).jinja, text);
    }
}
