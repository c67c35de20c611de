//! The `#[fusebox::protect]` attribute. Use it through the `fusebox` crate.

use proc_macro::TokenStream;

/// Protects a function.
#[proc_macro_attribute]
pub fn protect(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
