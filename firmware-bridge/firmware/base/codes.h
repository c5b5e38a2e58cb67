// Why the firmware refuses something: the same codes as everywhere in Hypha (docs/errors.md), where people read what they mean and what to do.
#ifndef HYPHA_CODES_H
#define HYPHA_CODES_H

#define CODES(X)                                \
  X(bytes_truncated, "bytes-truncated")         \
  X(bytes_malformed, "bytes-malformed")         \
  X(bytes_too_long, "bytes-too-long")           \
  X(message_malformed, "message-malformed")     \
  X(delta_malformed, "delta-malformed")         \
  X(envelope_malformed, "envelope-malformed")   \
  X(envelope_kind, "envelope-kind")             \
  X(signature_invalid, "signature-invalid")     \
  X(threshold_not_met, "threshold-not-met")     \
  X(root_unusable, "root-unusable")             \
  X(root_version, "root-version")               \
  X(metadata_invalid, "metadata-invalid")       \
  X(wrong_fleet, "wrong-fleet")                 \
  X(wrong_node, "wrong-node")                   \
  X(wrong_app, "wrong-app")                     \
  X(directive_rollback, "directive-rollback")   \
  X(directive_conflict, "directive-conflict")   \
  X(release_below_floor, "release-below-floor") \
  X(digest_mismatch, "digest-mismatch")         \
  X(size_mismatch, "size-mismatch")             \
  X(content_unlisted, "content-unlisted")       \
  X(content_missing, "content-missing")         \
  X(commit_mismatch, "commit-mismatch")         \
  X(join_root_mismatch, "join-root-mismatch")   \
  X(rules_order, "rules-order")                 \
  X(patch_base_missing, "patch-base-missing")   \
  X(board_full, "board-full")               \
  X(board_flash, "board-flash")           \
  X(content_mismatch, "content-mismatch")       \
  X(wasm_malformed, "wasm-malformed")           \
  X(wasm_unsupported, "wasm-unsupported")       \
  X(wasm_memory, "wasm-memory")                 \
  X(transfer_out_of_order, "transfer-out-of-order") \
  X(box_key_invalid, "box-key-invalid")         \
  X(board_instances, "board-instances")         \
  X(board_key, "board-key")                     \
  X(board_reverted, "board-reverted")           \
  X(import_not_linked, "import-not-linked")     \
  X(turn_trapped, "turn-trapped")               \
  X(turn_deadline, "turn-deadline")             \
  X(update_unsupported, "update-unsupported")   \
  X(firmware_board, "firmware-board")

#define CODE_NAME(name, text) code_##name,
typedef enum { code_ok = 0, CODES(CODE_NAME) code_count } code;
#undef CODE_NAME

/** The code as it is reported. */
const char *code_text(code which);

#define TRY(call)                       \
  do {                                  \
    code tried_ = (call);               \
    if (tried_ != code_ok) return tried_; \
  } while (0)

#endif
