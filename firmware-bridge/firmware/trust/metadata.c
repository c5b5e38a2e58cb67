#include "metadata.h"

#include "ed25519.h"
#include "schema.h"

static const shape role_threshold = {.type = is_uint, .count = 1, .most = 16};
static const shape text_4096 = {.type = is_text, .most = 4096};

LIST_OF(role_keys, shape_digest, most_keys);
RECORD(role_shape, {1, false, &role_threshold}, {2, false, &role_keys});
LIST_OF(authorities, shape_digest, 4);
RECORD(root_shape, {root_fleet, false, &shape_id}, {root_version, false, &shape_u32_from_1}, {3, false, &shape_uint}, {root_root, false, &role_shape},
       {root_release, false, &role_shape}, {root_gateway, false, &role_shape}, {root_authorities, true, &authorities});

static const shape interface_shape = {.type = is_interface};
static const shape empty_record = {.type = is_record};
RECORD(provider_instance, {1, false, &shape_id}, {2, false, &shape_id}, {3, true, &shape_id});
RECORD(provider_device, {1, false, &shape_id});
UNION(provider, {0, false, &empty_record}, {0, false, &provider_instance}, {0, false, &provider_device});
RECORD(link_shape, {1, false, &interface_shape}, {2, false, &provider});
LIST_OF(links, link_shape, 128);

static const shape nonce = {.type = is_exactly, .most = 24};
static const shape box = {.type = is_bytes, .most = 4200};
RECORD(setting_plain, {1, false, &text_4096});
RECORD(setting_sealed, {1, false, &shape_digest}, {2, false, &nonce}, {3, false, &box});
UNION(setting, {0, false, &setting_plain}, {0, false, &setting_sealed});
static const shape settings = {.type = is_dictionary, .count = 64, .item = &setting};

static const shape two_words = {.type = is_one_of, .count = 2};
static const shape three_words = {.type = is_one_of, .count = 3};
static const shape one_word = {.type = is_one_of, .count = 1};
static const shape wave = {.type = is_uint, .most = 63};
static const shape content_bytes = {.type = is_uint, .most = 64 * 1024 * 1024};
RECORD(instance_shape, {instance_module, false, &shape_id}, {instance_home, true, &shape_id}, {instance_form, false, &two_words},
       {instance_links, false, &links}, {instance_config, false, &settings});
LIST_OF(instances, instance_shape, 256);
RECORD(transfer_shape, {1, false, &three_words}, {2, true, &shape_digest}, {3, false, &shape_digest}, {4, false, &content_bytes}, {5, true, &one_word});
RECORD(content_shape, {content_digest, false, &shape_digest}, {content_size, false, &content_bytes}, {3, false, &transfer_shape});
LIST_OF(contents, content_shape, 257);
// Keys 10 and 11 say who else is there; a board serves no links and passes over them.
RECORD(section_shape, {section_app, false, &shape_id}, {section_epoch, false, &shape_u32_from_1}, {section_release, false, &shape_digest},
       {section_envelope, false, &shape_digest}, {section_phase, false, &two_words}, {section_instances, false, &instances},
       {section_contents, false, &contents}, {section_chosen, true, &shape_uint}, {section_wave, true, &wave});
LIST_OF(sections, section_shape, 64);
RECORD(directive_shape, {directive_fleet, false, &shape_id}, {directive_node, false, &shape_id}, {directive_version, false, &shape_u32_from_1},
       {directive_issued, false, &shape_uint}, {directive_expires, false, &shape_uint}, {directive_sections, false, &sections}, {directive_leave, false, &shape_bool});

RECORD(artifact_shape, {artifact_digest, false, &shape_digest}, {artifact_size, false, &content_bytes});
static const shape period = {.type = is_uint, .count = 1, .most = 31u * 86400000u};
static const shape turn_ms = {.type = is_uint, .count = 1, .most = 3600000};
static const shape per_second = {.type = is_uint, .most = 1000000};
static const shape memory_bytes = {.type = is_uint, .most = 0xffff0000};
static const shape topic = {.type = is_text, .most = 512};
LIST_OF(filters, topic, 32);
static const shape texts = {.type = is_dictionary, .count = 64, .item = &text_4096};
RECORD(limits_shape, {limits_memory, false, &memory_bytes}, {limits_turn, false, &turn_ms}, {limits_telemetry, false, &per_second},
       {limits_messages, false, &per_second}, {limits_kv, false, &content_bytes});
RECORD(spec_shape, {spec_timer, true, &period}, {spec_subscribe, false, &filters}, {spec_publish, false, &filters}, {spec_config, false, &texts}, {spec_limits, false, &limits_shape});
// A module's world, memory and features are what the gateway places by; the board reads them from the module itself.
RECORD(module_shape, {module_name, false, &shape_id}, {module_component, false, &artifact_shape}, {module_core, true, &artifact_shape}, {module_spec, false, &spec_shape});
LIST_OF(modules, module_shape, 128);
static const shape file_text = {.type = is_text, .most = 64}, arch_text = {.type = is_text, .most = 20};
RECORD(file_shape, {file_name, false, &file_text}, {file_arch, true, &arch_text}, {file_artifact, false, &artifact_shape});
LIST_OF(files, file_shape, 16);
static const shape number_or_none = {.type = is_uint, .most = 0xffffffff};
// How a release is brought to the fleet (key 9) is the gateway's business.
RECORD(release_shape, {release_fleet, false, &shape_id}, {release_app, false, &shape_id}, {release_number, false, &shape_u32_from_1}, {5, false, &shape_uint},
       {release_floor, false, &number_or_none}, {release_modules, false, &modules}, {release_files, true, &files});

static code decode(span payload, const shape *of) {
  TRY(cbor_check(payload, CBOR_NO_TAG));
  return check_shape(payload.at, of);
}

code root_decode(span payload) { return decode(payload, &root_shape); }
code directive_decode(span payload) { return decode(payload, &directive_shape); }
code release_decode(span payload) { return decode(payload, &release_shape); }

role role_of(cbor root, uint32_t which) {
  cbor read = cbor_get(root, which), keys = cbor_get(read, 2);
  role out = {(uint8_t)number_of(read, 1), 0, {NULL}};
  for EACH(key, keys) out.keys[out.count++] = cbor_content(key).at;
  return out;
}

static bool lists(const role *in, const uint8_t *key) {
  for (int i = 0; i < in->count; i++)
    if (memcmp(in->keys[i], key, public_key_bytes) == 0) return true;
  return false;
}

static bool is_usable(const role *of) {
  for (int i = 0; i < of->count; i++) {
    role others = *of;
    others.count = (uint8_t)i;
    if (lists(&others, of->keys[i]) || !ed25519_is_sound(of->keys[i])) return false;
  }
  return of->threshold <= of->count;
}

enum { items_themselves = 0 };

/** Whether two items of a list, or what they have under a key, are the same. */
static bool has_twice(cbor list, uint32_t key) {
  uint32_t at = 0;
  for EACH(item, list) {
    uint32_t before = at++;
    for EACH(other, list) {
      if (before-- == 0) break;
      bool whole = key == items_themselves;
      if (span_equal(whole ? cbor_content(item) : content_of(item, key), whole ? cbor_content(other) : content_of(other, key))) return true;
    }
  }
  return false;
}

code root_check(cbor payload) {
  role gateway = role_of(payload, root_gateway);
  for (uint32_t which = root_root; which <= root_gateway; which++) {
    role each = role_of(payload, which);
    if (!is_usable(&each)) return code_root_unusable;
    // One stolen key must never be able to give both signatures.
    for (int i = 0; which != root_gateway && i < each.count; i++)
      if (lists(&gateway, each.keys[i])) return code_root_unusable;
  }
  cbor listed = cbor_get(payload, root_authorities);
  if (cbor_there(listed) && count_of(listed) == 0) return code_root_unusable;
  if (has_twice(listed, items_themselves)) return code_root_unusable;
  // A directive is a COSE_Sign1.
  return gateway.threshold == 1 ? code_ok : code_root_unusable;
}

static bool same_instance(cbor a, cbor b) {
  cbor home_a = cbor_get(a, instance_home), home_b = cbor_get(b, instance_home);
  if (cbor_there(home_a) != cbor_there(home_b)) return false;
  if (cbor_there(home_a) && !span_equal(cbor_content(home_a), cbor_content(home_b))) return false;
  return span_equal(content_of(a, instance_module), content_of(b, instance_module));
}

static code check_section_alone(cbor section) {
  cbor all = cbor_get(section, section_instances);
  uint32_t at = 0;
  for EACH(item, all) {
    uint32_t before = at++;
    for EACH(other, all) {
      if (before-- == 0) break;
      if (same_instance(item, other)) return code_metadata_invalid;
    }
    if (has_twice(cbor_get(item, instance_links), 1)) return code_metadata_invalid;
  }
  return has_twice(cbor_get(section, section_contents), content_digest) ? code_metadata_invalid : code_ok;
}

code directive_check(cbor payload) {
  if (cbor_wide(cbor_get(payload, directive_expires)) < cbor_wide(cbor_get(payload, directive_issued))) return code_metadata_invalid;
  cbor all = cbor_get(payload, directive_sections);
  if (*cbor_get(payload, directive_leave) == 0xf5 && count_of(all) > 0) return code_metadata_invalid;
  uint32_t at = 0;
  for EACH(section, all) {
    bool prepares = number_of(section, section_phase) == 1;
    if (prepares != cbor_there(cbor_get(section, section_wave))) return code_metadata_invalid;
    uint32_t place = 0, here = at++;
    for EACH(other, all) {
      if (place++ == here || !span_equal(content_of(section, section_app), content_of(other, section_app))) continue;
      bool other_prepares = number_of(other, section_phase) == 1;
      if (prepares == other_prepares) return code_metadata_invalid;
      if (prepares && number_of(section, section_epoch) <= number_of(other, section_epoch)) return code_metadata_invalid;
    }
    TRY(check_section_alone(section));
  }
  return code_ok;
}

code release_check(cbor payload) {
  if (has_twice(cbor_get(payload, release_modules), module_name)) return code_metadata_invalid;
  // Files belong to built-in apps, which aren't modules: whoever may push an app must not be able to replace the program that runs it.
  cbor files_of = cbor_get(payload, release_files);
  if (content_is(payload, release_app, SPAN_TEXT("hypha-firmware")) ? count_of(files_of) == 0 || count_of(cbor_get(payload, release_modules)) > 0 : cbor_there(files_of))
    return code_metadata_invalid;
  return number_of(payload, release_floor) <= number_of(payload, release_number) ? code_ok : code_metadata_invalid;
}

cbor release_module(cbor release, span name) {
  for EACH(module, cbor_get(release, release_modules))
    if (content_is(module, module_name, name)) return module;
  return NULL;
}

/** The artifact with a digest, of any form of any module. */
static cbor find_artifact(cbor release, span digest) {
  for EACH(module, cbor_get(release, release_modules))
    for (uint32_t form = module_component; form <= module_core; form++) {
      cbor artifact = cbor_get(module, form);
      if (cbor_there(artifact) && content_is(artifact, artifact_digest, digest)) return artifact;
    }
  for EACH(file, cbor_get(release, release_files))
    if (content_is(cbor_get(file, file_artifact), artifact_digest, digest)) return cbor_get(file, file_artifact);
  return NULL;
}

static bool lists_content(cbor section, span digest) {
  for EACH(content, cbor_get(section, section_contents))
    if (content_is(content, content_digest, digest)) return true;
  return false;
}

code section_check(cbor section, cbor release) {
  for EACH(content, cbor_get(section, section_contents)) {
    span digest = content_of(content, content_digest);
    if (content_is(section, section_envelope, digest)) continue;
    cbor artifact = find_artifact(release, digest);
    if (!cbor_there(artifact)) return code_content_unlisted;
    if (number_of(artifact, artifact_size) != number_of(content, content_size)) return code_size_mismatch;
  }
  for EACH(instance, cbor_get(section, section_instances)) {
    cbor module = release_module(release, content_of(instance, instance_module));
    // Form 0 is the core one.
    uint32_t form = number_of(instance, instance_form) == 0 ? module_core : module_component;
    if (!cbor_there(module) || !cbor_there(cbor_get(module, form))) return code_content_unlisted;
    if (!lists_content(section, content_of(cbor_get(module, form), artifact_digest))) return code_content_missing;
  }
  return code_ok;
}
