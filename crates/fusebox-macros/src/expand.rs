//! The protected function: the same signature, and a body that goes through the circuit.

use crate::arguments::{Arguments, speaks_of_arguments};
use crate::options::{Breaker, Fallback, FallbackOn, Options};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{
    Error, Expr, ExprClosure, Item, ItemFn, Result, ReturnType, Signature, TraitItemFn, Type, parse_quote,
    parse2,
};

/// Rewrites `item`.
pub(crate) fn expand(options: Options, item: TokenStream) -> Result<TokenStream> {
    let ItemFn { attrs, vis, mut sig, block } = function(item)?;
    let returns = returned(&sig)?;
    let circuit = circuit(&options.breaker, &sig);
    let classify = match &options.classify {
        Some(classify) => classify.to_token_stream(),
        None => quote!(::fusebox::Results),
    };
    let body = block.stmts;
    let span = returns.span();
    let run = match &options.fallback {
        None => {
            let body = protected(&sig, &quote_spanned!(span=> move), &returns, &quote!(#(#body)*));
            through("call", "run", &sig, span, &body)
        }
        Some(Fallback { function, on }) => {
            let Arguments { keep, bind, give } = Arguments::share(&mut sig);
            let body = protected(&sig, &TokenStream::new(), &returns, &quote!(#(#bind)* #(#body)*));
            let on = match on {
                FallbackOn::Failed => quote!(::fusebox::pipeline::FallbackOn::Failed),
                FallbackOn::Rejected => quote!(::fusebox::pipeline::FallbackOn::Rejected),
            };
            let attempt = through("attempt", "attempt_later", &sig, span, &quote!(#on, #body));
            let (result, cause) = (hidden("result"), hidden("cause"));
            let answer = answer(function, &sig, &returns, &give, &cause)?;
            quote! {
                #(#keep)*
                match #attempt {
                    ::core::ops::ControlFlow::Break(#result) => #result,
                    ::core::ops::ControlFlow::Continue(#cause) => #answer,
                }
            }
        }
    };
    let (error, protection) = (hidden("error"), hidden("protection"));
    let refused = quote_spanned! {span=> |result: &#returns| match result {
        ::core::result::Result::Ok(_) => false,
        ::core::result::Result::Err(#error) => {
            use ::fusebox::__private::{ByChain as _, ByTarget as _, ByType as _, Never as _};
            (&&&&::fusebox::__private::Asked(#error)).is_refusal()
        }
    }};
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            #[allow(unused_imports, clippy::needless_borrow)]
            let #protection = ::fusebox::__private::Protection {
                circuit: #circuit,
                classify: #classify,
                refused: #refused,
            };
            #run
        }
    })
}

/// The function that the attribute stands on.
fn function(item: TokenStream) -> Result<ItemFn> {
    let function: ItemFn = parse2(item.clone()).map_err(|error| {
        if let Ok(declared) = parse2::<TraitItemFn>(item.clone())
            && declared.default.is_none()
        {
            return Error::new_spanned(declared.sig, "`protect` needs a body: put it on the implementation");
        }
        match parse2::<Item>(item) {
            Ok(Item::Fn(_) | Item::Verbatim(_)) | Err(_) => error,
            Ok(other) => Error::new_spanned(other, "`protect` goes on a function or a method"),
        }
    })?;
    let refused = match &function.sig {
        Signature { constness: Some(token), .. } => {
            Some((token.span, "a `const fn` cannot be protected: nothing to protect happens at compile time"))
        }
        Signature { unsafety: Some(token), .. } => {
            Some((token.span, "an `unsafe fn` cannot be protected: protect the safe function that calls it"))
        }
        _ => None,
    };
    match refused {
        Some((span, why)) => Err(Error::new(span, why)),
        None => Ok(function),
    }
}

/// The return type, to be written where `impl Trait` may not stand.
fn returned(signature: &Signature) -> Result<Type> {
    let ReturnType::Type(_, returns) = &signature.output else {
        let span = signature.paren_token.span.close();
        return Err(Error::new(span, "`protect` needs a function that returns a `Result`"));
    };
    let mut returns = (**returns).clone();
    Inferred.visit_type_mut(&mut returns);
    Ok(returns)
}

struct Inferred;

impl VisitMut for Inferred {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::ImplTrait(_) = ty {
            *ty = parse_quote!(_);
        } else {
            visit_type_mut(self, ty);
        }
    }
}

fn circuit(breaker: &Breaker, signature: &Signature) -> TokenStream {
    match breaker {
        Breaker::Named(name) => quote_spanned! {name.span()=> {
            static CIRCUIT: ::std::sync::LazyLock<::fusebox::CircuitBreaker> =
                ::std::sync::LazyLock::new(|| ::fusebox::Registry::global().circuit(#name));
            &*CIRCUIT
        }},
        Breaker::Expression(expression) if speaks_of_arguments(expression, signature) => {
            quote_spanned!(expression.span()=> &::fusebox::CircuitBreaker::clone(&#expression))
        }
        Breaker::Expression(expression) => quote_spanned!(expression.span()=> &#expression),
    }
}

/// The body as a closure or a future that yields `returns`.
fn protected(signature: &Signature, moved: &TokenStream, returns: &Type, body: &TokenStream) -> TokenStream {
    if signature.asyncness.is_some() {
        // A block cannot say what it returns; a `return` in it can.
        quote_spanned! {returns.span()=> async #moved {
            if false {
                return ::fusebox::__private::never::<#returns>();
            }
            #body
        }}
    } else {
        quote_spanned!(returns.span()=> #moved || -> #returns { #body })
    }
}

fn through(
    blocking: &str,
    future: &str,
    signature: &Signature,
    span: Span,
    arguments: &TokenStream,
) -> TokenStream {
    let protection = hidden("protection");
    let is_async = signature.asyncness.is_some();
    let method = Ident::new(if is_async { future } else { blocking }, span);
    let awaited = is_async.then(|| quote_spanned!(span=> .await));
    quote_spanned!(span=> #protection.#method(#arguments) #awaited)
}

/// The fallback's answer.
fn answer(
    function: &Expr,
    signature: &Signature,
    returns: &Type,
    give: &[TokenStream],
    cause: &Ident,
) -> Result<TokenStream> {
    let span = function.span();
    let Expr::Closure(ExprClosure { asyncness, inputs, body, .. }) = function else {
        let answer = quote_spanned!(span=> #function(#(#give,)* #cause));
        let is_async = signature.asyncness.is_some();
        return Ok(if is_async {
            quote_spanned!(span=> ::fusebox::__private::Fallback::answer(#answer).await)
        } else {
            answer
        });
    };
    if asyncness.is_some() {
        return Err(Error::new(span, "a closure as the fallback is not `async`: name an `async fn`"));
    }
    if inputs.len() != give.len() + 1 {
        let (has, needs) = (inputs.len(), give.len() + 1);
        let why = format!(
            "the fallback is given {needs} arguments, the function's own and the cause, and takes {has}"
        );
        return Err(Error::new(span, why));
    }
    let (inputs, give) = (inputs.iter(), give.iter().cloned().chain([cause.to_token_stream()]));
    // Called by bindings, a closure need not name the types of its parameters.
    let answer = hidden("answer");
    Ok(quote_spanned! {span=> {
        let #answer = || -> #returns { #(let #inputs = #give;)* #body };
        #answer()
    }})
}

/// A name that the function's own code cannot see.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
