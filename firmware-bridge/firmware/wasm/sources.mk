# Included by ../Makefile, behind its variables. The interpreter's switches are the same for every machine, so that
# its size and its speed are of one program: all of it small, and the one file that is a loop over instructions fast.

wasm_flags := -Os -fno-move-loop-invariants -fno-tree-dominator-opts -fno-math-errno -fbuiltin -fno-jump-tables -Wno-pedantic
wasm_loop_flags := $(wasm_flags) -O2 -fmove-loop-invariants -ftree-dominator-opts --param max-goto-duplication-insns=8 -fno-schedule-insns -fno-schedule-insns2 -fno-tree-pre -fno-tree-loop-distribute-patterns -fno-gcse -freorder-blocks-algorithm=simple -fno-pie

wasm := $(sort $(wildcard wasm/*.c))
hypha_wasm := tools/hypha-wasm.c $(sort $(wildcard tools/wasm/*.c))

ifeq ($(SANITIZE),1)
$(host_out)/wasm/%.o: host_flags += -fno-math-errno
else
$(host_out)/wasm/%.o: host_flags += $(wasm_flags)
$(host_out)/wasm/interpret.o: host_flags += $(wasm_loop_flags)
# The jump through a table of addresses takes one register less in a program that isn't moved.
host_flags += -no-pie
endif
$(board_out)/wasm/%.o: board_flags += $(wasm_flags)
$(board_out)/wasm/interpret.o: board_flags += $(wasm_loop_flags)

$(host_out)/hypha-wasm: $(call host_object,$(wasm) $(hypha_wasm))
	@$(CC) $(host_flags) $^ -lm -o $@

$(host_out)/wasm-probe: $(call host_object,$(wasm) tools/wasm-probe.c tools/wasm/load.c tools/wasm/values.c)
	@$(CC) $(host_flags) $^ -lm -o $@

$(host_out)/wasm-guest: $(call host_object,$(wasm) tools/wasm-guest.c tools/wasm/load.c)
	@$(CC) $(host_flags) $^ -lm -o $@

.PHONY: host-tools hypha-wasm wasm-probe wasm-guest
host-tools: hypha-wasm wasm-probe wasm-guest
hypha-wasm wasm-probe wasm-guest: %: $(host_out)/%

# The interpreter's part of a board's flash, object by object.
.PHONY: wasm-size
wasm-size: $(call board_object,$(wasm))
	@$(ARM)size $^
