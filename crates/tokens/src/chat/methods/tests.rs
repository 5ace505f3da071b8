use minijinja::Environment;

#[track_caller]
fn check(expression: &str, expected: &str) {
    let mut env = Environment::new();
    env.set_unknown_method_callback(super::call);
    let template = format!("{{{{ {expression} }}}}");
    let result = env.render_str(&template, ());
    let printed = result
        .unwrap_or_else(|error| error.detail().map_or_else(|| error.to_string(), str::to_owned));
    assert_eq!(printed, expected, "{expression}");
}

/// Every expected string is what CPython 3 prints.
#[test]
fn strings() {
    check(
        r"['\x1f a\u0085\n'.strip(), 'xxaxx'.lstrip('x'), 'abcba'.rstrip('ab')]",
        "['a', 'axx', 'abc']",
    );
    check("' a  b c '.split()", "['a', 'b', 'c']");
    check("' a  b c '.split(none, 1)", "['a', 'b c ']");
    check("' a  b c '.rsplit(none, 1)", "[' a  b', 'c']");
    check("'a,b,,c'.split(',')", "['a', 'b', '', 'c']");
    check("'a,b,,c'.split(',', 1)", "['a', 'b,,c']");
    check("'a,b,,c'.split(sep=',', maxsplit=2)", "['a', 'b', ',c']");
    check("'a,b,,c'.rsplit(',', 1)", "['a,b,', 'c']");
    check("''.split()", "[]");
    check("''.split(',')", "['']");
    check("'a'.split('')", "empty separator");
    check(r"'a\r\nb\x0bc\n'.splitlines()", "['a', 'b', 'c']");
    check(r"'a\r\nb'.splitlines(true)", r"['a\r\n', 'b']");
    check("['prefix'.removeprefix('pre'), 'a.py'.removesuffix('.py')]", "['fix', 'a']");
    check(
        "['a=b=c'.partition('='), 'a=b=c'.rpartition('='), 'a'.partition('=')]",
        "[('a', '=', 'b=c'), ('a=b', '=', 'c'), ('a', '', '')]",
    );
    check("['éa'.index('a'), 'aba'.rindex('a')]", "[1, 2]");
    check("'a'.index('b')", "substring not found");
    check(
        "['ab'.ljust(4, '.'), 'ab'.rjust(4), 'ab'.center(5, '-'), 'abc'.center(6, '-'), '-7'.zfill(4)]",
        "['ab..', '  ab', '--ab-', '-abc--', '-007']",
    );
    check("[', '.join(['a', 'b']), ','.join('ab'), ''.join([])]", "['a, b', 'a,b', '']");
    check("'-'.join([1])", "join: item 0 is of type number, expected a string");
    check(
        r#"["it's a-b x2y".title(), '{:>5}|{}'.format(1, 'b')]"#,
        r#"["It'S A-B X2Y", '    1|b']"#,
    );
    check("'{:>100000}'.format(1)", "a format with a width of five digits or from an argument");
    check("'{:>{}}'.format(1, 9)", "a format with a width of five digits or from an argument");
    check(
        "['aB'.swapcase(), ' '.isspace(), '½'.isdecimal(), '12'.isdecimal()]",
        "['Ab', True, False, True]",
    );
}

#[test]
fn containers() {
    check("{'items': 1, 'a': 2}.items()|list", "[('items', 1), ('a', 2)]");
    check("[[1, 2, 2].index(2), [1, 2, 2].count(2), {'a': 1}.copy()]", "[1, 2, {'a': 1}]");
    check("[1].append(2)", "`append` would change a value, a chat template must not");
    check("{}.update({})", "`update` would change a value, a chat template must not");
}
