use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{ChatTemplate, RenderOptions, Rendered, SpecialTokens};
use crate::chat::{Conversation, DateTime};
use crate::error::Error;

fn conversation() -> Conversation {
    Conversation::from_json(json!([
        {"role": "user", "content": "Salt?"},
        {"role": "assistant", "content": "NaCl."},
    ]))
    .unwrap()
}

fn render(template: &str) -> Result<Rendered, Error> {
    let specials = SpecialTokens::from([("eos_token".to_owned(), "</s>".to_owned())]);
    let options = RenderOptions {
        now: DateTime::parse("2024-07-26"),
        variables: json!({"price": 1e16, "thinking": false}).as_object().unwrap().clone(),
        ..RenderOptions::default()
    };
    ChatTemplate::new("t.jinja", template, specials)?.render(&conversation(), &options)
}

#[track_caller]
fn check(template: &str, expected: Expect) {
    let shown = match render(template) {
        Ok(rendered) => rendered.text,
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn templates_see_what_transformers_gives_them() {
    check(
        "{{ eos_token }}{{ tools }}{{ documents is none }}{{ add_generation_prompt }}",
        expect!["</s>NoneTrueFalse"],
    );
    check("{{ messages[0] }}", expect!["{'role': 'user', 'content': 'Salt?'}"]);
    check(
        "{{ price }} {{ [price] }} {{ price|string }} {{ unknown }}",
        expect!["1e+16 [1e+16] 1e+16 "],
    );
    check(
        "{{ price ~ ' ' ~ [\"it's\", '\n', none] ~ unknown ~ 2 * 3 ~ '<' }}{% set x %}%s<{% endset %}{{ x|format('>') }}",
        expect![[r#"1e+16 ["it's", '\n', None]6<><"#]],
    );
    check("{{ strftime_now('%Y-%m-%d') }}", expect!["2024-07-26"]);
    assert_eq!(
        render("{% if not thinking %}\n  {% set x = 1 %}\n  {{ x }}\n{% endif %}\n").unwrap().text,
        "  1\n"
    );
    check(
        "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ loop.index }}{% break %}{% endfor %}",
        expect!["2"],
    );
}

#[test]
fn syntax_errors_name_the_line() {
    check(
        "line one\n{% if %}",
        expect![[r#"
            chat template `t.jinja`, line 2: syntax error: unexpected end of block

            hint: correct the template there, or use another one"#]],
    );
    check(
        "a\nb\n{{ 'open }}",
        expect![[r#"
            chat template `t.jinja`, line 3: syntax error: unexpected end of string

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{% generation %}\nx",
        expect![[r#"
            chat template `t.jinja`, line 2: syntax error: unexpected end of input, expected end of block

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{% for m in messages %}",
        expect![[r#"
            chat template `t.jinja`, line 1: syntax error: unexpected end of input, expected end of block

            hint: correct the template there, or use another one"#]],
    );
    check(
        "x\n{% autoescape true %}{{ 1 }}{% endautoescape %}",
        expect![[r#"
            chat template `t.jinja`, line 2: `autoescape`, expected text that is printed as it is

            hint: correct the template there, or use another one"#]],
    );
    check(
        "x\n{{ 1|no_such_filter }}",
        expect![[r#"
            chat template `t.jinja`, line 2: unknown filter: filter no_such_filter is unknown

            hint: correct the template there, or use another one"#]],
    );
}

#[test]
fn failures_name_the_line() {
    check(
        "a\n{{ messages[0].name.first }}",
        expect![[r#"
            chat template `t.jinja`, line 2: undefined value: `messages[0].name` is undefined

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{{ 'a' + 1 }}",
        expect![[r#"
            chat template `t.jinja`, line 1: invalid operation: tried to use + operator on unsupported types string and number

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{{ no_such_function() }}",
        expect![[r#"
            chat template `t.jinja`, line 1: unknown function: no_such_function is unknown

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{{ strftime_now('%Q') }}",
        expect![[r#"
            chat template `t.jinja`, line 1: invalid operation: `strftime_now` was given `%Q`, which is not supported

            hint: correct the template there, or use another one"#]],
    );
    check(
        "{{ messages.append(1) }}",
        expect![[r#"
            chat template `t.jinja`, line 1: invalid operation: `append` would change a value, a chat template must not

            hint: correct the template there, or use another one"#]],
    );
}

#[test]
fn a_template_that_raises_gives_its_message() {
    check(
        "{{ raise_exception('Roles must alternate: ' ~ messages[0].role) }}",
        expect![[r#"
            chat template `t.jinja` refuses the conversation: Roles must alternate: user

            hint: change the conversation as the template asks for, or use another template"#]],
    );
    // Through a macro too.
    check(
        "{% macro no() %}{{ raise_exception('No.') }}{% endmacro %}{{ no() }}",
        expect![[r#"
            chat template `t.jinja` refuses the conversation: No.

            hint: change the conversation as the template asks for, or use another template"#]],
    );
}

#[test]
fn a_template_has_no_files_environment_or_clock() {
    for template in [
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends '/etc/passwd' %}",
        "{{ debug() }}",
        "{{ environ }}{{ self.x }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ now() }}",
        "{{ lipsum() }}",
    ] {
        assert!(render(template).is_err(), "{template}: {:?}", render(template));
    }
    let template =
        ChatTemplate::new("t", "{{ strftime_now('%Y') }}", SpecialTokens::new()).unwrap();
    expect![[r#"
        chat template `t`, line 1: invalid operation: asks for the date (`strftime_now`), and none was given to the rendering

        hint: correct the template there, or use another one"#]].assert_eq(
        &template.render(&conversation(), &RenderOptions::default()).unwrap_err().to_string(),
    );
}

/// All of these end in an error, soon, and without the memory they ask for.
#[test]
fn work_and_memory_are_bounded() {
    let loops = [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% for a in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
        "{{ range(10 ** 9)|list }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 'x' * 10 ** 8 }}{{ 'y' * 10 ** 8 }}",
        "{% set n = 10 ** 9 %}{{ 'x' * n }}",
        "{% set n = 10 ** 9 %}{{ [0] * n }}",
        "{% set n = 10 ** 8 %}{{ ([0] * n)|length }}{{ ([0] * n)|list|length }}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|string }}",
        "{{ 'x'.center(10 ** 9) }}",
        "{{ 'x'.zfill(10 ** 12) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ [1] * 10 ** 8 }}",
        "{% set l = range(99999)|list %}{% for i in range(99999) %}{{ l.index(99998) }}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|join }}",
        "{{ 'x'|indent(10 ** 9, true) }}",
        "{{ [1]|batch(10 ** 9, 0)|list }}",
        "{{ [1]|slice(10 ** 9)|list }}",
        "{{ [1]|tojson(indent=10 ** 9) }}",
        "{% for i in range(99999) %}{{ messages|tojson(indent=4) }}{% endfor %}",
        "{{ (range(99999)|join('x' * 99999)) }}",
    ];
    // Small to hold and huge to print.
    let huge = "{% set ns = namespace(s=['x' * 999999]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}";
    let prints = [
        "{{ ns.s ~ '' }}",
        "{{ '' ~ ns.s }}",
        "{{ 'a' ~ [ns.s] * 2 ~ 'b' }}",
        "{% set safe = '' %}{{ ns ~ 'a' }}",
        "{{ '%s'|format(ns.s) }}",
        "{{ '{}'.format(ns.s) }}",
        "{{ '{a}'.format(a=ns.s) }}",
        "{{ ','.join(ns.s) }}",
        "{{ ns.s|safe }}",
        "{{ raise_exception(ns.s) }}",
    ];
    let prints = prints.iter().map(|print| format!("{huge}{print}"));
    for template in loops.iter().map(|template| (*template).to_owned()).chain(prints) {
        match render(&template) {
            Err(Error::ChatTemplateTime { .. }) => panic!("{template}: work was not counted"),
            Err(_) => {}
            Ok(found) => panic!("{template}: {} bytes", found.text.len()),
        }
    }
    check(
        "{% for a in range(99999) %}\n{% for b in range(99999) %}{% endfor %}{% endfor %}",
        expect![[r#"
        chat template `t.jinja`, line 2: not finished after 2000000 units of work (an instruction, or 64 bytes of text, is one)

        hint: the template loops or builds huge text; if the conversation is that long, split it"#]],
    );
}

/// Values with parts in common are small to hold and huge to compare; that is not counted as work.
#[test]
fn time_is_bounded() {
    let huge = "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}";
    let template = ChatTemplate::new("t", huge, SpecialTokens::new()).unwrap();
    let limit = Duration::from_millis(50);
    let late = template.render_within(&conversation(), &RenderOptions::default(), limit);
    expect![[r#"
        chat template `t`: not finished after 10 seconds

        hint: the template compares or prints huge values; use another one"#]]
    .assert_eq(&late.unwrap_err().to_string());
}

#[test]
fn deep_nesting_does_not_end_the_process() {
    let deep = "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}";
    for tail in [
        "",
        "{{ ns.x }}",
        "{{ ns.x|tojson }}",
        "{{ ns.x ~ '' }}",
        "{{ ns.x == [ns.x] }}",
        "{{ [ns.x, [ns.x]]|sort }}",
        "{{ [ns.x, ns.x]|unique|list|length }}",
    ] {
        // Whatever it says, it says it.
        let _ = render(&format!("{deep}{tail}"));
    }
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(9999), ")".repeat(9999));
    assert!(render(&parentheses).is_err());
    let lists = format!("{{{{ {}{} }}}}", "[".repeat(9999), "]".repeat(9999));
    assert!(render(&lists).is_err());
    let ifs = format!("{}{}", "{% if true %}".repeat(9999), "{% endif %}".repeat(9999));
    assert!(render(&ifs).is_err());
    for (chain, n) in
        [("1 + ", 50_000), ("not ", 50_000), ("-", 200_000), ("1 ~ ", 4_000), ("1 and ", 30_000)]
    {
        let _ = render(&format!("{{{{ {}1 }}}}", chain.repeat(n)));
    }
}

#[test]
fn generated_text_is_found_or_refused() {
    let ranges = |template: &str| render(template).map(|rendered| rendered.generated);
    assert_eq!(
        ranges("é{% generation %}a{% endgeneration %}b{% generation %}{% endgeneration %}")
            .unwrap(),
        [2..3, 4..4]
    );
    // Printed at once, so it lies where it was made.
    assert_eq!(
        ranges("{% macro m() %}{% generation %}a{% endgeneration %}{% endmacro %}x{{ m() }}")
            .unwrap(),
        [std::ops::Range { start: 1, end: 2 }]
    );
    check(
        "{% set x %}{% generation %}abc{% endgeneration %}{% endset %}moved {{ x }}",
        expect![[r#"
            chat template `t.jinja`: `{% generation %}` inside a macro or a set block, where the text it marks cannot be found again; expected it where the text is printed

            hint: correct the template there, or use another one"#]],
    );
    // A namespace is one object inside and outside.
    check(
        "{% set ns = namespace(n=1) %}{% generation %}\n{% set ns.n = 2 %}{% endgeneration %}{{ ns.n }}",
        expect!["2"],
    );
    check(
        "{% set ns = namespace(n=1) %}{% macro f() %}{% set ns.n = 2 %}{% endmacro %}{{ f() }}{{ ns.n }}",
        expect!["2"],
    );
    // What is set inside stays inside, as in transformers.
    check(
        "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
        expect!["21"],
    );
}

#[test]
fn the_final_message_is_left_open() {
    let open = |template: &str, content: Value| {
        let template = ChatTemplate::new("t", template, SpecialTokens::new()).unwrap();
        let messages =
            json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]);
        let options = RenderOptions { continue_final_message: true, ..RenderOptions::default() };
        let conversation = Conversation::from_json(messages).unwrap();
        template.render(&conversation, &options).map(|rendered| rendered.text)
    };
    let plain = "{% for m in messages %}[{{ m.content }}]{% endfor %}";
    assert_eq!(open(plain, json!("a ")).unwrap(), "[q][a ");
    let trimmed = "{% for m in messages %}[{{ m.content|trim }}]{% endfor %}";
    assert_eq!(open(trimmed, json!("a ")).unwrap(), "[q][a");
    let parts = "{% for m in messages %}{{ m.content if m.content is string else m.content[0].text }};{% endfor %}";
    assert_eq!(open(parts, json!([{"type": "text", "text": "a"}])).unwrap(), "q;a");
    expect![[r#"
        conversation: the template does not print the final message as it is, so it cannot be continued

        hint: a message is {"role": "user", "content": "…"}"#]].assert_eq(&open("{{ messages|length }}", json!("a")).unwrap_err().to_string());
    expect![[r#"
        conversation: the final message has no text that could be continued

        hint: a message is {"role": "user", "content": "…"}"#]]
    .assert_eq(&open(plain, json!([])).unwrap_err().to_string());
}

#[test]
fn tool_use_is_for_conversations_with_tools() {
    let template = ChatTemplate::new("t", "plain", SpecialTokens::new()).unwrap();
    let template = template.with_tool_use("tools").unwrap();
    let text = |conversation: &Conversation| {
        template.render(conversation, &RenderOptions::default()).unwrap().text
    };
    assert_eq!(text(&conversation()), "plain");
    assert_eq!(text(&conversation().with_tools(vec![]).unwrap()), "tools");
}
