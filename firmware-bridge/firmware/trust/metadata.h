// Root metadata, directives and releases once their signatures were checked: whether they are of their form, and whether they make sense (src/trust/shape.ts).
#ifndef HYPHA_METADATA_H
#define HYPHA_METADATA_H

#include "cose.h"

/** Keys of root metadata [src/trust/root.ts]. */
enum { root_fleet = 1, root_version = 2, root_root = 4, root_release = 5, root_gateway = 6, root_authorities = 7 };
/** Of a directive, its sections, their instances and contents [src/trust/directive.ts]. */
enum { directive_fleet = 1, directive_node = 2, directive_version = 3, directive_issued = 4, directive_expires = 5, directive_sections = 6, directive_leave = 7 };
enum { section_app = 1, section_epoch = 2, section_release = 3, section_envelope = 4, section_phase = 5, section_instances = 6, section_contents = 7, section_chosen = 8, section_wave = 9 };
enum { instance_module = 1, instance_home = 2, instance_form = 3, instance_links = 4, instance_config = 5 };
enum { content_digest = 1, content_size = 2 };
/** Of a release and its modules [src/trust/release.ts]. */
enum { release_fleet = 1, release_app = 2, release_number = 3, release_floor = 6, release_modules = 7, release_files = 8 };
enum { module_name = 1, module_component = 2, module_core = 3, module_spec = 7 };
enum { artifact_digest = 1, artifact_size = 2 };
enum { file_name = 1, file_arch = 2, file_artifact = 3 };
enum { spec_timer = 1, spec_subscribe = 2, spec_publish = 3, spec_config = 4, spec_limits = 5 };
enum { limits_memory = 1, limits_turn = 2, limits_telemetry = 3, limits_messages = 4, limits_kv = 5 };

/** Each reads a payload whose bytes nobody has looked at yet: bytes-malformed, message-malformed. */
code root_decode(span payload);
code directive_decode(span payload);
code release_decode(span payload);

/** root-unusable: a role that can't be met, or the gateway's online key in a role that must be offline. */
code root_check(cbor payload);
/** metadata-invalid: something is named twice, or the times can't be. */
code directive_check(cbor payload);
/** metadata-invalid: something is named twice, the floor is above the release, or it has files or modules that its app can't have. */
code release_check(cbor payload);
/** Holds a section against its release: content-unlisted, content-missing, size-mismatch. */
code section_check(cbor section, cbor release);

role role_of(cbor root, uint32_t which);
/** The module of a release; none where it has no such. */
cbor release_module(cbor release, span name);

#endif
