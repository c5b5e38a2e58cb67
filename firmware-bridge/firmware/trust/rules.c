#include "rules.h"

#include "sha256.h"

static bool lost_key(const role *before, const role *after) {
  for (int i = 0; i < before->count; i++) {
    bool kept = false;
    for (int j = 0; j < after->count; j++) kept = kept || memcmp(before->keys[i], after->keys[j], public_key_bytes) == 0;
    if (!kept) return true;
  }
  return false;
}

static code threshold_of(const envelope *opened, cbor root, uint32_t which) {
  role by = role_of(root, which);
  return cose_threshold(opened, &by);
}

static bool lost(cbor before, cbor after, uint32_t which) {
  role a = role_of(before, which), b = role_of(after, which);
  return lost_key(&a, &b);
}

code trust_root(const trust *held, span bytes, uint32_t most_bytes, span *payload, root_change *change) {
  envelope opened;
  TRY(cose_open(bytes, kind_root, most_bytes, &opened));
  *payload = opened.payload;
  *change = (root_change){.same = span_equal(opened.payload, held->root)};
  if (change->same) return code_ok;
  TRY(threshold_of(&opened, held->root.at, root_root));
  TRY(root_decode(opened.payload));
  TRY(threshold_of(&opened, opened.payload.at, root_root));
  if (number_of(opened.payload.at, root_version) != number_of(held->root.at, root_version) + 1) return code_root_version;
  if (!content_is(opened.payload.at, root_fleet, content_of(held->root.at, root_fleet))) return code_wrong_fleet;
  TRY(root_check(opened.payload.at));
  // A key that was taken from a role may have been a thief's, who raised the role's counters out of reach.
  change->forget_directive = lost(held->root.at, opened.payload.at, root_gateway);
  change->forget_floors = lost(held->root.at, opened.payload.at, root_release);
  return code_ok;
}

/** A gateway restored from a backup can't put a node back unawares (src/trust/rising.ts). */
static code check_rising(cbor held, cbor next) {
  for EACH(section, cbor_get(next, directive_sections)) {
    for EACH(before, cbor_get(held, directive_sections)) {
      if (number_of(before, section_phase) != 0 || !span_equal(content_of(before, section_app), content_of(section, section_app))) continue;
      uint32_t epoch = number_of(section, section_epoch), epoch_before = number_of(before, section_epoch);
      bool prepares = number_of(section, section_phase) == 1;
      if (epoch < epoch_before || (prepares && epoch == epoch_before)) return code_directive_rollback;
      cbor chosen = cbor_get(section, section_chosen), chosen_before = cbor_get(before, section_chosen);
      if ((cbor_there(chosen) ? cbor_wide(chosen) : 0) < (cbor_there(chosen_before) ? cbor_wide(chosen_before) : 0)) return code_directive_rollback;
    }
  }
  return code_ok;
}

code trust_directive(const trust *held, span bytes, uint32_t most_bytes, span *payload, bool *same) {
  if (bytes.length > most_bytes) return code_bytes_too_long;
  *same = false;
  if (held->directive.length > 0) {
    uint8_t digest[sha256_bytes];
    sha256_of(bytes, digest);
    *same = memcmp(digest, held->directive_digest, sha256_bytes) == 0;
    if (*same) return *payload = held->directive, code_ok;
  }
  envelope opened;
  TRY(cose_open(bytes, kind_directive, most_bytes, &opened));
  TRY(threshold_of(&opened, held->root.at, root_gateway));
  TRY(directive_decode(opened.payload));
  if (!content_is(opened.payload.at, directive_fleet, content_of(held->root.at, root_fleet))) return code_wrong_fleet;
  if (!content_is(opened.payload.at, directive_node, held->node)) return code_wrong_node;
  TRY(directive_check(opened.payload.at));
  if (held->directive.length > 0) {
    uint32_t version = number_of(opened.payload.at, directive_version), before = number_of(held->directive.at, directive_version);
    if (version < before) return code_directive_rollback;
    if (version == before) return code_directive_conflict;
    TRY(check_rising(held->directive.at, opened.payload.at));
  }
  *payload = opened.payload;
  return code_ok;
}

cbor trust_section(const trust *held, span envelope_digest) {
  if (held->directive.length > 0)
    for EACH(section, cbor_get(held->directive.at, directive_sections))
      if (content_is(section, section_envelope, envelope_digest)) return section;
  return NULL;
}

cbor trust_section_of(const trust *held, span app, uint32_t epoch) {
  if (held->directive.length > 0)
    for EACH(section, cbor_get(held->directive.at, directive_sections))
      if (content_is(section, section_app, app) && number_of(section, section_epoch) == epoch) return section;
  return NULL;
}

static bool has_digest(span bytes, span digest) {
  uint8_t found[sha256_bytes];
  sha256_of(bytes, found);
  return span_equal(digest, span_of(found, sha256_bytes));
}

code trust_release(const trust *held, cbor section, span bytes, uint32_t most_bytes, uint32_t floor, span *payload) {
  if (!cbor_there(section)) return code_rules_order;
  envelope opened;
  TRY(cose_open(bytes, kind_release, most_bytes, &opened));
  if (!has_digest(bytes, content_of(section, section_envelope))) return code_digest_mismatch;
  TRY(threshold_of(&opened, held->root.at, root_release));
  if (!has_digest(opened.payload, content_of(section, section_release))) return code_digest_mismatch;
  TRY(release_decode(opened.payload));
  if (!content_is(opened.payload.at, release_fleet, content_of(held->root.at, root_fleet))) return code_wrong_fleet;
  if (!content_is(opened.payload.at, release_app, content_of(section, section_app))) return code_wrong_app;
  TRY(release_check(opened.payload.at));
  if (number_of(opened.payload.at, release_number) < floor) return code_release_below_floor;
  TRY(section_check(section, opened.payload.at));
  *payload = opened.payload;
  return code_ok;
}
