//! The arguments of a function with a fallback: the body consumes them, and the fallback is given them once more.
//!
//! A reference is copied, a `&mut` one lent to one after the other, and everything else cloned before the body runs.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, Pat, PatIdent, Receiver, Signature, Type, parse_quote};

/// The pieces that a function's arguments become.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Before the body: clones for the fallback.
    pub(crate) keep: Vec<TokenStream>,
    /// At the head of the body: the patterns as they were written. What only the fallback uses is not unused.
    pub(crate) bind: Vec<TokenStream>,
    /// What the fallback is called with.
    pub(crate) give: Vec<TokenStream>,
}

impl Arguments {
    /// Names every argument of `signature` and says how body and fallback share them.
    pub(crate) fn share(signature: &mut Signature) -> Self {
        let mut shared = Arguments::default();
        for (position, argument) in signature.inputs.iter_mut().enumerate() {
            match argument {
                FnArg::Receiver(receiver) => shared.receiver(receiver),
                FnArg::Typed(typed) => {
                    let name = name(position, &typed.pat);
                    let pattern = std::mem::replace(&mut *typed.pat, parse_quote!(#name));
                    shared.typed(&name, &pattern, &typed.ty);
                }
            }
        }
        shared
    }

    fn receiver(&mut self, receiver: &mut Receiver) {
        let span = receiver.self_token.span;
        let this = Ident::new("self", span);
        if matches!(&*receiver.ty, Type::Reference(_)) {
            self.give.push(this.to_token_stream());
        } else {
            let kept = Ident::new("kept_self", Span::mixed_site());
            self.keep.push(quote_spanned!(span=> let #kept = ::core::clone::Clone::clone(&#this);));
            self.give.push(kept.to_token_stream());
        }
    }

    fn typed(&mut self, name: &Ident, pattern: &Pat, ty: &Type) {
        if let Type::Reference(reference) = bare(ty)
            && reference.mutability.is_some()
        {
            self.bind.push(quote!(#[allow(unused_variables)] let #pattern = &mut *#name;));
            self.give.push(name.to_token_stream());
        } else {
            let kept = Ident::new(&format!("kept_{name}"), Span::mixed_site());
            self.keep.push(quote_spanned!(ty.span()=> let #kept = ::core::clone::Clone::clone(&#name);));
            self.bind.push(quote!(#[allow(unused_variables)] let #pattern = #name;));
            self.give.push(kept.to_token_stream());
        }
    }
}

/// The argument's own name where it has one.
fn name(position: usize, pattern: &Pat) -> Ident {
    match pattern {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => ident.clone(),
        _ => format_ident!("argument_{position}", span = Span::mixed_site()),
    }
}

fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

/// Whether `expression` speaks of an argument, which the body may consume.
pub(crate) fn speaks_of_arguments(expression: &impl ToTokens, signature: &Signature) -> bool {
    let mut names: Vec<String> = Vec::new();
    for argument in &signature.inputs {
        match argument {
            // Behind a shared reference, body and expression get along.
            FnArg::Receiver(receiver) => match &*receiver.ty {
                Type::Reference(reference) if reference.mutability.is_none() => {}
                _ => names.push("self".into()),
            },
            FnArg::Typed(typed) => identifiers(typed.pat.to_token_stream(), &mut |name| names.push(name)),
        }
    }
    let mut speaks = false;
    identifiers(expression.to_token_stream(), &mut |name| speaks |= names.contains(&name));
    speaks
}

fn identifiers(tokens: TokenStream, each: &mut impl FnMut(String)) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(ident) => each(ident.to_string()),
            proc_macro2::TokenTree::Group(group) => identifiers(group.stream(), each),
            _ => {}
        }
    }
}
