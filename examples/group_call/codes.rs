//! Safety codes: what everybody's app shows, for people to compare aloud.

use subrosa::{CodeInput, Epoch, ReadCode, SafetyCode};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::failure::Failure;
use crate::join::Handle;
use crate::orders::Wish;

/// What came of comparing.
pub(crate) struct Codes {
    pub(crate) epoch: Epoch,
    /// As the first one reads it out.
    pub(crate) digits: String,
    pub(crate) words: String,
    /// The digits that each computed from his own call, in the order of joining.
    pub(crate) each: Vec<String>,
    /// All were in that epoch, and everybody's own code is what was read out, in both forms.
    pub(crate) agree: bool,
    /// The code of another group of keys is another one: here that of an earlier epoch, with other people.
    pub(crate) earlier_differs: bool,
}

/// What somebody's code is computed from, and of which epoch.
pub(crate) type Told = (Epoch, CodeInput);

pub(crate) async fn told(by: &Handle) -> Result<Told, Failure> {
    let (to, told) = oneshot::channel();
    by.order(Wish::TellCode(to)).await?;
    told.await.map_err(|_| Failure::Broken(format!("{} says no code", by.name)))
}

/// Everybody computes his code, one of them reads his out, and the others look whether it is theirs.
pub(crate) async fn compare(of_all: Vec<Told>, of_earlier: Told) -> Result<Codes, Failure> {
    let mut codes = Vec::new();
    for told in of_all {
        codes.push(compute(told).await?);
    }
    let (epoch, first) = codes.first().ok_or(Failure::Broken("nobody has a code".to_owned()))?;
    let (digits, words) = (first.digits(), first.words().unwrap_or_default());
    let read_out = [ReadCode::parse(&digits), ReadCode::parse(&words)];
    let [Ok(as_digits), Ok(as_words)] = read_out else {
        return Err(Failure::Broken("a code that cannot be read out".to_owned()));
    };
    let is_that = |code: &SafetyCode| [&as_digits, &as_words].map(|form| code.matches(form));
    let agree = codes.iter().all(|(of, code)| of == epoch && is_that(code) == [true; 2]);
    let (earlier_epoch, earlier) = compute(of_earlier).await?;
    let earlier_differs = earlier_epoch < *epoch && is_that(&earlier) == [false; 2];
    let each = codes.iter().map(|(_, code)| code.digits()).collect();
    Ok(Codes { epoch: *epoch, each, agree, earlier_differs, digits, words })
}

/// Away from where frames are sealed and opened: it takes a while, on purpose.
async fn compute((epoch, input): Told) -> Result<(Epoch, SafetyCode), Failure> {
    let code = spawn_blocking(move || input.compute()).await;
    Ok((epoch, code.map_err(|_| Failure::Broken("computing a code panicked".to_owned()))?))
}
