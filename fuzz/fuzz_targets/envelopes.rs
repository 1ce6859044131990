//! libFuzzer's input for `targets::envelopes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    tower_contract_fuzz::targets::hush();
    tower_contract_fuzz::targets::envelopes::run(input);
});
