//! What stands in the attribute's parentheses.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token};

const ACCEPTED: [&str; 4] = ["breaker", "fallback", "fallback_on", "classify"];

/// Where the circuit comes from.
pub(crate) enum Breaker {
    /// Registered under this name.
    Named(LitStr),
    /// What this expression evaluates to.
    Expression(Expr),
}

/// When the fallback answers.
#[derive(Clone, Copy, Default)]
pub(crate) enum FallbackOn {
    #[default]
    Failed,
    Rejected,
}

/// A fallback, and when it answers.
pub(crate) struct Fallback {
    pub(crate) function: Expr,
    pub(crate) on: FallbackOn,
}

/// The attribute's options, checked.
pub(crate) struct Options {
    pub(crate) breaker: Breaker,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) classify: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut given = Given::default();
        while !input.is_empty() {
            given.option(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        given.check()
    }
}

/// The options as they were written.
#[derive(Default)]
struct Given {
    seen: Vec<Ident>,
    breaker: Option<Breaker>,
    fallback: Option<Expr>,
    fallback_on: Option<(Span, FallbackOn)>,
    classify: Option<Expr>,
}

impl Given {
    fn option(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key: Ident = input.parse().map_err(|error| {
            Error::new(error.span(), "options are written as `breaker = PAYMENTS, fallback = last_known`")
        })?;
        let name = key.to_string();
        if !ACCEPTED.contains(&name.as_str()) {
            return Err(Error::new(key.span(), unknown(&name)));
        }
        if self.seen.contains(&key) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        input.parse::<Token![=]>()?;
        match name.as_str() {
            "breaker" => self.breaker = Some(breaker(input.parse()?)?),
            "fallback" => self.fallback = Some(function(input.parse()?, "fallback")?),
            "classify" => self.classify = Some(input.parse()?),
            _ => self.fallback_on = Some((key.span(), fallback_on(&input.parse()?)?)),
        }
        self.seen.push(key);
        Ok(())
    }

    fn check(self) -> Result<Options> {
        let Some(breaker) = self.breaker else {
            let missing =
                "`protect` needs a circuit: `breaker = PAYMENTS` or, by name, `breaker = \"payments\"`";
            return Err(Error::new(Span::call_site(), missing));
        };
        let fallback = match (self.fallback, self.fallback_on) {
            (Some(function), on) => Some(Fallback { function, on: on.map(|(_, on)| on).unwrap_or_default() }),
            (None, Some((span, _))) => {
                return Err(Error::new(span, "`fallback_on` says when, but there is no `fallback`"));
            }
            (None, None) => None,
        };
        Ok(Options { breaker, fallback, classify: self.classify })
    }
}

fn breaker(value: Expr) -> Result<Breaker> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) if name.value().is_empty() => {
            Err(Error::new(name.span(), "a circuit's name is not empty"))
        }
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => Ok(Breaker::Named(name)),
        Expr::Lit(other) => Err(Error::new_spanned(
            other,
            "`breaker` takes an expression for a `CircuitBreaker`, or a circuit's name in quotes",
        )),
        expression => Ok(Breaker::Expression(expression)),
    }
}

fn function(value: Expr, option: &str) -> Result<Expr> {
    match value {
        Expr::Path(_) | Expr::Closure(_) => Ok(value),
        other => {
            let accepted = format!("`{option}` takes the path of a function, or a closure");
            Err(Error::new_spanned(other, accepted))
        }
    }
}

fn fallback_on(value: &Expr) -> Result<FallbackOn> {
    if let Expr::Lit(ExprLit { lit: Lit::Str(word), .. }) = value {
        match word.value().as_str() {
            "failed" => return Ok(FallbackOn::Failed),
            "rejected" => return Ok(FallbackOn::Rejected),
            _ => {}
        }
    }
    Err(Error::new_spanned(value, "`fallback_on` takes \"failed\" or \"rejected\""))
}

fn unknown(name: &str) -> String {
    let near = ACCEPTED.iter().find(|known| {
        let alike = known.chars().zip(name.chars()).filter(|(a, b)| a == b).count();
        alike >= 3 || known.starts_with(name) || name.starts_with(*known)
    });
    let accepted = "`breaker`, `fallback`, `fallback_on` and `classify` are accepted";
    match near {
        Some(near) => format!("unknown option `{name}`, did you mean `{near}`? {accepted}"),
        None => format!("unknown option `{name}`: {accepted}"),
    }
}
