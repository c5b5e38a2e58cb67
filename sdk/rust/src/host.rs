//! Host interfaces, as `sdk/wit/host` states them.

use crate::abi;
use alloc::{string::String, vec::Vec};

/// Where the host writes results of up to 16 bytes.
#[repr(C, align(8))]
struct Area([u8; 16]);

impl Area {
    fn new() -> Self {
        Area([0; 16])
    }
    fn at(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
    fn word(&self, at: usize) -> usize {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]]) as usize
    }
    unsafe fn bytes(&self, at: usize) -> Vec<u8> {
        abi::bytes(self.word(at) as *mut u8, self.word(at + 4))
    }
    unsafe fn text(&self, at: usize) -> String {
        abi::text(self.word(at) as *mut u8, self.word(at + 4))
    }
    /// A `list<string>` at the area's beginning.
    unsafe fn texts(&self) -> Vec<String> {
        let list = self.bytes_of_list(8);
        list.chunks_exact(8)
            .map(|item| {
                let word = |at: usize| u32::from_le_bytes([item[at], item[at + 1], item[at + 2], item[at + 3]]) as usize;
                abi::text(word(0) as *mut u8, word(4))
            })
            .collect()
    }
    unsafe fn bytes_of_list(&self, size: usize) -> Vec<u8> {
        // The list was allocated with an alignment of 4; copying it lets the allocator have its own layout back.
        let (pointer, count) = (self.word(0) as *mut u8, self.word(4));
        if count == 0 {
            return Vec::new();
        }
        let copy = core::slice::from_raw_parts(pointer, count * size).to_vec();
        alloc::alloc::dealloc(pointer, core::alloc::Layout::from_size_align_unchecked(count * size, 4));
        copy
    }
}

pub mod log {
    #[repr(u8)]
    #[derive(Clone, Copy)]
    pub enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    #[link(wasm_import_module = "hypha:host/log@0.1.0")]
    extern "C" {
        #[link_name = "write"]
        fn raw_write(level: u32, message: *const u8, len: usize);
    }

    pub fn write(level: Level, message: &str) {
        unsafe { raw_write(level as u32, message.as_ptr(), message.len()) }
    }
}

pub mod clock {
    #[link(wasm_import_module = "hypha:host/clock@0.1.0")]
    extern "C" {
        #[link_name = "now"]
        fn raw_now() -> u64;
        #[link_name = "monotonic"]
        fn raw_monotonic() -> u64;
    }

    /// Milliseconds since 1970 UTC.
    pub fn now() -> u64 {
        unsafe { raw_now() }
    }

    /// Nanoseconds since an arbitrary moment.
    pub fn monotonic() -> u64 {
        unsafe { raw_monotonic() }
    }
}

pub mod config {
    use super::*;

    #[link(wasm_import_module = "hypha:host/config@0.1.0")]
    extern "C" {
        #[link_name = "get"]
        fn raw_get(key: *const u8, len: usize, area: *mut u8);
    }

    pub fn get(key: &str) -> Option<String> {
        let mut area = Area::new();
        unsafe {
            raw_get(key.as_ptr(), key.len(), area.at());
            (area.0[0] == 1).then(|| area.text(4))
        }
    }
}

pub mod telemetry {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum EmitError {
        Throttled,
        InvalidMetric,
        TooManyMetrics,
    }

    #[link(wasm_import_module = "hypha:host/telemetry@0.1.0")]
    extern "C" {
        #[link_name = "emit"]
        fn raw_emit(metric: *const u8, len: usize, value: f64, area: *mut u8);
    }

    pub fn emit(metric: &str, value: f64) -> Result<(), EmitError> {
        let mut area = Area::new();
        unsafe { raw_emit(metric.as_ptr(), metric.len(), value, area.at()) };
        match (area.0[0], area.0[1]) {
            (0, _) => Ok(()),
            (_, 0) => Err(EmitError::Throttled),
            (_, 1) => Err(EmitError::InvalidMetric),
            _ => Err(EmitError::TooManyMetrics),
        }
    }
}

pub mod sensor {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum SensorError {
        Unknown,
        Unavailable,
        Timeout,
    }

    #[link(wasm_import_module = "hypha:host/sensor@0.1.0")]
    extern "C" {
        #[link_name = "read"]
        fn raw_read(name: *const u8, len: usize, area: *mut u8);
        #[link_name = "names"]
        fn raw_names(area: *mut u8);
    }

    pub fn read(name: &str) -> Result<f64, SensorError> {
        let mut area = Area::new();
        unsafe { raw_read(name.as_ptr(), name.len(), area.at()) };
        let value: [u8; 8] = [
            area.0[8], area.0[9], area.0[10], area.0[11], area.0[12], area.0[13], area.0[14], area.0[15],
        ];
        match (area.0[0], area.0[8]) {
            (0, _) => Ok(f64::from_le_bytes(value)),
            (_, 0) => Err(SensorError::Unknown),
            (_, 1) => Err(SensorError::Unavailable),
            _ => Err(SensorError::Timeout),
        }
    }

    pub fn names() -> Vec<String> {
        let mut area = Area::new();
        unsafe {
            raw_names(area.at());
            area.texts()
        }
    }
}

pub mod kv {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum KvError {
        Quota,
        KeyTooLong,
    }

    #[link(wasm_import_module = "hypha:host/kv@0.1.0")]
    extern "C" {
        #[link_name = "get"]
        fn raw_get(key: *const u8, len: usize, area: *mut u8);
        #[link_name = "set"]
        fn raw_set(key: *const u8, len: usize, value: *const u8, value_len: usize, area: *mut u8);
        #[link_name = "delete"]
        fn raw_delete(key: *const u8, len: usize);
        #[link_name = "keys"]
        fn raw_keys(prefix: *const u8, len: usize, area: *mut u8);
    }

    pub fn get(key: &str) -> Option<Vec<u8>> {
        let mut area = Area::new();
        unsafe {
            raw_get(key.as_ptr(), key.len(), area.at());
            (area.0[0] == 1).then(|| area.bytes(4))
        }
    }

    pub fn set(key: &str, value: &[u8]) -> Result<(), KvError> {
        let mut area = Area::new();
        unsafe { raw_set(key.as_ptr(), key.len(), value.as_ptr(), value.len(), area.at()) };
        match (area.0[0], area.0[1]) {
            (0, _) => Ok(()),
            (_, 0) => Err(KvError::Quota),
            _ => Err(KvError::KeyTooLong),
        }
    }

    pub fn delete(key: &str) {
        unsafe { raw_delete(key.as_ptr(), key.len()) }
    }

    pub fn keys(prefix: &str) -> Vec<String> {
        let mut area = Area::new();
        unsafe {
            raw_keys(prefix.as_ptr(), prefix.len(), area.at());
            area.texts()
        }
    }
}

pub mod messages {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub enum PublishError {
        NotGranted,
        Throttled,
        TooLong,
        InvalidTopic,
    }

    #[link(wasm_import_module = "hypha:host/messages@0.1.0")]
    extern "C" {
        #[link_name = "publish"]
        fn raw_publish(topic: *const u8, len: usize, payload: *const u8, payload_len: usize, area: *mut u8);
    }

    pub fn publish(topic: &str, payload: &[u8]) -> Result<(), PublishError> {
        let mut area = Area::new();
        unsafe { raw_publish(topic.as_ptr(), topic.len(), payload.as_ptr(), payload.len(), area.at()) };
        match (area.0[0], area.0[1]) {
            (0, _) => Ok(()),
            (_, 0) => Err(PublishError::NotGranted),
            (_, 1) => Err(PublishError::Throttled),
            (_, 2) => Err(PublishError::TooLong),
            _ => Err(PublishError::InvalidTopic),
        }
    }
}
