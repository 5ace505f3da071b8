//! What a user sees: the binary, driven from outside on small projects made here.

mod killed;
mod project;
mod run;
