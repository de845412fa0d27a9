//! Owns: the solver: finding it, its version, one question at a time with a limit.
//! Never: what is asked.

use std::time::Duration;

use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use thiserror::Error;
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Names another executable than the one in PATH.
const VARIABLE: &str = "CVC5";
/// A question about a bundle takes milliseconds; one that takes this long is not going to be answered.
const QUESTION: Duration = Duration::from_secs(60);

#[derive(Debug, Error)]
pub enum SolverError {
    #[error("cvc5, which proves that a bundle is safe, cannot be run as {program:?}: {cause}")]
    Missing { program: String, cause: std::io::Error },
    #[error("cvc5 does not work as expected: {0}")]
    Broken(String),
    #[error("cvc5 did not decide within {} s", QUESTION.as_secs())]
    Undecided,
}

impl SolverError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "install it (Debian: apt-get install cvc5), or name it in the variable CVC5; --unproved signs without a proof"
            }
            Self::Broken(_) | Self::Undecided => {
                "Debian's cvc5 1.0.3 is known to work; --unproved signs without a proof"
            }
        }
    }
}

pub struct Solver {
    runtime: Runtime,
    compiler: CedarSymCompiler<LocalSolver>,
    pub version: String,
}

impl Solver {
    pub fn start() -> Result<Self, SolverError> {
        let program = std::env::var(VARIABLE).unwrap_or_else(|_| "cvc5".to_owned());
        let broken = |error: &dyn std::fmt::Display| SolverError::Broken(error.to_string());
        let said = std::process::Command::new(&program)
            .arg("--version")
            .output()
            .map_err(|cause| SolverError::Missing { program: program.clone(), cause })?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        // "This is cvc5 version 1.0.3" and more lines.
        let version = said.split_whitespace().skip_while(|word| *word != "version").nth(1);
        let version = version.ok_or_else(|| broken(&format!("{program} --version says {said:?}")))?.to_owned();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| broken(&error))?;
        let compiler = runtime.block_on(async {
            let solver = LocalSolver::from_command(Command::new(&program).args(["--lang", "smt"]).kill_on_drop(true));
            CedarSymCompiler::new(solver.map_err(|error| broken(&error))?).map_err(|error| broken(&error))
        })?;
        Ok(Self { runtime, compiler, version })
    }

    /// A request that `narrow` permits and `wide` does not.
    pub fn beyond(&mut self, narrow: &CompiledPolicySet, wide: &CompiledPolicySet) -> Result<Option<Env>, SolverError> {
        let Self { runtime, compiler, .. } = self;
        let asked = async { timeout(QUESTION, compiler.check_implies_with_counterexample_opt(narrow, wide)).await };
        answer(runtime.block_on(asked))
    }

    /// A request on which the policy fails.
    pub fn failing(&mut self, policy: &CompiledPolicy) -> Result<Option<Env>, SolverError> {
        let Self { runtime, compiler, .. } = self;
        let asked = async { timeout(QUESTION, compiler.check_never_errors_with_counterexample_opt(policy)).await };
        answer(runtime.block_on(asked))
    }
}

type Answered = Result<Result<Option<Env>, cedar_policy_symcc::err::Error>, tokio::time::error::Elapsed>;

fn answer(answered: Answered) -> Result<Option<Env>, SolverError> {
    match answered {
        Ok(Ok(found)) => Ok(found),
        Err(_) | Ok(Err(cedar_policy_symcc::err::Error::SolverUnknown)) => Err(SolverError::Undecided),
        Ok(Err(error)) => Err(SolverError::Broken(error.to_string())),
    }
}
