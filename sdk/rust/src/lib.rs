//! What a Hypha module in Rust stands on: an allocator in an arena of fixed size, the host interfaces that modules on devices use, and macros for
//! exports. For the other interfaces declare imports in the same way as `host` does.
#![no_std]

extern crate alloc;

pub mod heap;
pub mod host;

#[doc(hidden)]
pub mod abi {
    use alloc::{alloc::realloc, string::String, vec::Vec};
    use core::alloc::Layout;

    /// How the host asks for memory: for what it returns from imports, and for parameters of exports.
    #[cfg_attr(target_arch = "wasm32", export_name = "cabi_realloc")]
    pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
        if size == 0 {
            return align as *mut u8;
        }
        let pointer = if old.is_null() {
            alloc::alloc::alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
        };
        if pointer.is_null() {
            panic!("the heap is full: `heap` in hypha.toml makes it larger");
        }
        pointer
    }

    /// Takes over bytes that the host has written into memory from `cabi_realloc`.
    pub unsafe fn bytes(pointer: *mut u8, len: usize) -> Vec<u8> {
        if len == 0 {
            return Vec::new();
        }
        Vec::from_raw_parts(pointer, len, len)
    }

    /// The same for text; the canonical ABI promises that it is UTF-8.
    pub unsafe fn text(pointer: *mut u8, len: usize) -> String {
        String::from_utf8_unchecked(bytes(pointer, len))
    }
}

/// Exports `hypha:module/timer`: `timer!(tick)` with `fn tick(now_ms: u64)`.
#[macro_export]
macro_rules! timer {
    ($tick:path) => {
        #[export_name = "hypha:module/timer@0.1.0#tick"]
        pub extern "C" fn __hypha_timer_tick(now_ms: u64) {
            $tick(now_ms)
        }
    };
}

/// Exports `hypha:module/inbox`: `inbox!(deliver)` with `fn deliver(topic: String, payload: Vec<u8>)`.
#[macro_export]
macro_rules! inbox {
    ($deliver:path) => {
        #[export_name = "hypha:module/inbox@0.1.0#deliver"]
        pub unsafe extern "C" fn __hypha_inbox_deliver(topic: *mut u8, topic_len: usize, payload: *mut u8, len: usize) {
            $deliver($crate::abi::text(topic, topic_len), $crate::abi::bytes(payload, len))
        }
    };
}

/// Exports `hypha:module/lifecycle`: `lifecycle!(start, stop)` with functions of no parameters.
#[macro_export]
macro_rules! lifecycle {
    ($start:path, $stop:path) => {
        #[export_name = "hypha:module/lifecycle@0.1.0#start"]
        pub extern "C" fn __hypha_lifecycle_start() {
            $start()
        }
        #[export_name = "hypha:module/lifecycle@0.1.0#stop"]
        pub extern "C" fn __hypha_lifecycle_stop() {
            $stop()
        }
    };
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
