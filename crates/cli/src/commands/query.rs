//! `temper query`: the ledger asked in SQL.

use temper_audit::query as query_run;

use crate::args::QueryArguments;
use crate::exit::Failure;
use crate::print;

/// One SQL statement over the ledger.
pub(crate) fn query(arguments: &QueryArguments) -> Result<(), Failure> {
    let answer = query_run(&arguments.run, &arguments.sql)?;
    if let Some(out) = &arguments.out {
        answer.save(out)?;
        print::note(&format!("{} lines in `{}`", answer.lines().len(), out.display()));
        return Ok(());
    }
    if arguments.json {
        print::json(&answer.to_json())?
    } else {
        print::data(&answer.to_text())
    }
    Ok(())
}
