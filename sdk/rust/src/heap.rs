//! The global allocator: an arena of `heap` bytes that never grows. Blocks lie in it one after another, each behind a word with its payload's
//! size and the flag FREE. Freeing sets the flag; allocating goes on from where it last ended (next fit) and joins the free blocks that it comes by.

#[cfg(target_arch = "wasm32")]
mod arena {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::UnsafeCell;

    /// `hypha build` sets it from `heap` in hypha.toml.
    const HEAP_BYTES: usize = match option_env!("HYPHA_HEAP_BYTES") {
        Some(digits) => parse(digits.as_bytes()),
        None => 16 * 1024,
    };
    const HEADER: usize = 16;
    const FREE: usize = 1;

    const fn parse(digits: &[u8]) -> usize {
        let mut value = 0;
        let mut at = 0;
        while at < digits.len() {
            value = value * 10 + (digits[at] - b'0') as usize;
            at += 1;
        }
        value
    }

    #[repr(align(16))]
    struct Arena(UnsafeCell<[u8; HEAP_BYTES]>, UnsafeCell<usize>);

    // One thread: a module is never entered twice.
    unsafe impl Sync for Arena {}

    #[global_allocator]
    static ARENA: Arena = Arena(UnsafeCell::new([0; HEAP_BYTES]), UnsafeCell::new(0));

    impl Arena {
        unsafe fn info(&self, at: usize) -> *mut usize {
            (self.0.get() as *mut u8).add(at) as *mut usize
        }

        unsafe fn size(&self, at: usize) -> usize {
            *self.info(at) & !FREE
        }

        unsafe fn is_free(&self, at: usize) -> bool {
            *self.info(at) & FREE != 0
        }

        unsafe fn join(&self, at: usize) {
            loop {
                let next = at + HEADER + self.size(at);
                if next >= HEAP_BYTES || !self.is_free(next) {
                    return;
                }
                if *self.1.get() == next {
                    *self.1.get() = at;
                }
                *self.info(at) += HEADER + self.size(next);
            }
        }
    }

    unsafe impl GlobalAlloc for Arena {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // Payloads lie at multiples of 16; nothing that crosses the canonical ABI asks for more.
            if layout.size() > HEAP_BYTES || layout.align() > 16 {
                return core::ptr::null_mut();
            }
            if *self.info(0) == 0 {
                *self.info(0) = (HEAP_BYTES - HEADER) | FREE;
            }
            let need = (layout.size() + 15) & !15;
            let mut at = *self.1.get();
            let mut passes = 0;
            while passes < 2 {
                if self.is_free(at) {
                    self.join(at);
                    let rest = self.size(at).wrapping_sub(need);
                    if self.size(at) >= need {
                        if rest >= HEADER + 16 {
                            *self.info(at) = need;
                            *self.info(at + HEADER + need) = (rest - HEADER) | FREE;
                        } else {
                            *self.info(at) = self.size(at);
                        }
                        let next = at + HEADER + self.size(at);
                        *self.1.get() = if next < HEAP_BYTES { next } else { 0 };
                        return (self.info(at) as *mut u8).add(HEADER);
                    }
                }
                at += HEADER + self.size(at);
                if at >= HEAP_BYTES {
                    at = 0;
                    passes += 1;
                }
            }
            core::ptr::null_mut()
        }

        unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
            *(pointer.sub(HEADER) as *mut usize) |= FREE;
        }
    }
}
