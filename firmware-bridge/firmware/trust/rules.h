// The order of the checks of trust (src/trust/rules.ts), and nothing beside: pure functions of what is held and what came. Expiry alone is left to the agent,
// which has a clock; everything else a board judges itself, and believes nobody on its line.
#ifndef HYPHA_RULES_H
#define HYPHA_RULES_H

#include "metadata.h"

/** What a board has come to trust. All spans lie in flash, and stay there while a call lasts. */
typedef struct {
  span node;
  /** Payload of the root metadata that is trusted now. */
  span root;
  /** Payload of the directive that is held; empty before the first, and after the gateway's key was replaced until the next. */
  span directive;
  /** Digest of that directive's envelope. */
  const uint8_t *directive_digest;
} trust;

/** What new root metadata takes with it: counters of the roles that have lost a key. */
typedef struct {
  /** What is held came once more. */
  bool same;
  bool forget_directive;
  bool forget_floors;
} root_change;

/** Root metadata that follows: signed by the threshold of the one that is held and by its own, of the next version and the same fleet. [P 6.4] */
code trust_root(const trust *held, span envelope, uint32_t most_bytes, span *payload, root_change *change);

/** A directive to this board, above the one that is held in version, with epochs and choices that don't fall. `same` where it is the one that is held. [P 6.3] */
code trust_directive(const trust *held, span envelope, uint32_t most_bytes, span *payload, bool *same);

/** The section of the directive that is held whose release has this envelope; none where there is none. */
cbor trust_section(const trust *held, span envelope_digest);
/** The section of an app in an epoch; none where there is none. */
cbor trust_section_of(const trust *held, span app, uint32_t epoch);

/** The release that a section asks for; `floor` is the highest of its app that was seen. [P 6.2, P 6.3] */
code trust_release(const trust *held, cbor section, span envelope, uint32_t most_bytes, uint32_t floor, span *payload);

#endif
