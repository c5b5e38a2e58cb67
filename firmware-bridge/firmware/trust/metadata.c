#include "metadata.h"

#include "ed25519.h"
#include "schema.h"

// By their places here. What a board doesn't read is passed over, whatever it is: what stands in links, which it serves none of, and settings that only an agent can open.
enum {
  s_any, s_id, s_digest, s_from_1, s_uint, s_bool, s_one_word, s_two_words, s_three_words, s_text_4096,
  s_threshold, s_role_keys, s_role, s_authorities, s_root,
  s_setting_plain, s_setting, s_settings, s_links, s_instance, s_instances, s_content_bytes, s_transfer, s_content, s_contents, s_wave, s_section, s_sections, s_directive,
  s_artifact, s_period, s_turn_ms, s_per_second, s_memory_bytes, s_topic, s_filters, s_texts, s_limits, s_spec, s_module, s_modules,
  s_file_text, s_arch_text, s_file, s_files, s_u32, s_release,
};

static const field role_fields[] = {{1, false, s_threshold}, {2, false, s_role_keys}};
static const field root_fields[] = {{root_fleet, false, s_id}, {root_version, false, s_from_1}, {3, false, s_uint}, {root_root, false, s_role},
                                    {root_release, false, s_role}, {root_gateway, false, s_role}, {root_authorities, true, s_authorities}};

static const field setting_plain_fields[] = {{1, false, s_text_4096}};
static const field setting_cases[] = {{0, false, s_setting_plain}, {0, false, s_any}};
static const field instance_fields[] = {{instance_module, false, s_id}, {instance_home, true, s_id}, {instance_form, false, s_two_words},
                                        {instance_links, false, s_links}, {instance_config, false, s_settings}};
static const field transfer_fields[] = {{1, false, s_three_words}, {2, true, s_digest}, {3, false, s_digest}, {4, false, s_content_bytes}, {5, true, s_one_word}};
static const field content_fields[] = {{content_digest, false, s_digest}, {content_size, false, s_content_bytes}, {3, false, s_transfer}};
static const field section_fields[] = {{section_app, false, s_id}, {section_epoch, false, s_from_1}, {section_release, false, s_digest},
                                       {section_envelope, false, s_digest}, {section_phase, false, s_two_words}, {section_instances, false, s_instances},
                                       {section_contents, false, s_contents}, {section_chosen, true, s_uint}, {section_wave, true, s_wave}};
static const field directive_fields[] = {{directive_fleet, false, s_id}, {directive_node, false, s_id}, {directive_version, false, s_from_1},
                                         {directive_issued, false, s_uint}, {directive_expires, false, s_uint}, {directive_sections, false, s_sections},
                                         {directive_leave, false, s_bool}};

static const field artifact_fields[] = {{artifact_digest, false, s_digest}, {artifact_size, false, s_content_bytes}};
static const field limits_fields[] = {{limits_memory, false, s_memory_bytes}, {limits_turn, false, s_turn_ms}, {limits_telemetry, false, s_per_second},
                                      {limits_messages, false, s_per_second}, {limits_kv, false, s_content_bytes}};
static const field spec_fields[] = {{spec_timer, true, s_period}, {spec_subscribe, false, s_filters}, {spec_publish, false, s_filters},
                                    {spec_config, false, s_texts}, {spec_limits, false, s_limits}};
// A module's world, memory and features are what the gateway places by; the board reads them from the module itself.
static const field module_fields[] = {{module_name, false, s_id}, {module_component, false, s_artifact}, {module_core, true, s_artifact}, {module_spec, false, s_spec}};
static const field file_fields[] = {{file_name, false, s_file_text}, {file_arch, true, s_arch_text}, {file_artifact, false, s_artifact}};
// How a release is brought to the fleet (key 9) is the gateway's business.
static const field release_fields[] = {{release_fleet, false, s_id}, {release_app, false, s_id}, {release_number, false, s_from_1}, {5, false, s_uint},
                                       {release_floor, false, s_u32}, {release_modules, false, s_modules}, {release_files, true, s_files}};

static const shape shapes[] = {
    [s_any] = {.type = is_any},
    [s_id] = {.type = is_id},
    [s_digest] = {.type = is_exactly, .most = 32},
    [s_from_1] = SHAPE_U32_FROM_1,
    [s_u32] = SHAPE_U32,
    [s_uint] = {.type = is_uint},
    [s_bool] = {.type = is_bool},
    [s_one_word] = {.type = is_one_of, .count = 1},
    [s_two_words] = {.type = is_one_of, .count = 2},
    [s_three_words] = {.type = is_one_of, .count = 3},
    [s_text_4096] = {.type = is_text, .most = 4096},
    [s_threshold] = {.type = is_uint, .count = 1, .most = 16},
    [s_role_keys] = LIST_OF(s_digest, most_keys),
    [s_role] = RECORD_OF(role_fields),
    [s_authorities] = LIST_OF(s_digest, 4),
    [s_root] = RECORD_OF(root_fields),
    [s_setting_plain] = RECORD_OF(setting_plain_fields),
    [s_setting] = UNION_OF(setting_cases),
    [s_settings] = DICTIONARY_OF(s_setting, 64),
    [s_links] = LIST_OF(s_any, 128),
    [s_instance] = RECORD_OF(instance_fields),
    [s_instances] = LIST_OF(s_instance, 256),
    [s_content_bytes] = {.type = is_uint, .most = 64 * 1024 * 1024},
    [s_transfer] = RECORD_OF(transfer_fields),
    [s_content] = RECORD_OF(content_fields),
    [s_contents] = LIST_OF(s_content, 257),
    [s_wave] = {.type = is_uint, .most = 63},
    [s_section] = RECORD_OF(section_fields),
    [s_sections] = LIST_OF(s_section, 64),
    [s_directive] = RECORD_OF(directive_fields),
    [s_artifact] = RECORD_OF(artifact_fields),
    [s_period] = {.type = is_uint, .count = 1, .most = 31u * 86400000u},
    [s_turn_ms] = {.type = is_uint, .count = 1, .most = 3600000},
    [s_per_second] = {.type = is_uint, .most = 1000000},
    [s_memory_bytes] = {.type = is_uint, .most = 0xffff0000},
    [s_topic] = {.type = is_text, .most = 512},
    [s_filters] = LIST_OF(s_topic, 32),
    [s_texts] = DICTIONARY_OF(s_text_4096, 64),
    [s_limits] = RECORD_OF(limits_fields),
    [s_spec] = RECORD_OF(spec_fields),
    [s_module] = RECORD_OF(module_fields),
    [s_modules] = LIST_OF(s_module, 128),
    [s_file_text] = {.type = is_text, .most = 64},
    [s_arch_text] = {.type = is_text, .most = 20},
    [s_file] = RECORD_OF(file_fields),
    [s_files] = LIST_OF(s_file, 16),
    [s_release] = RECORD_OF(release_fields),
};

static code decode(span payload, uint8_t of) {
  TRY(cbor_check(payload, CBOR_NO_TAG));
  return check_shape(payload.at, shapes, of);
}

code root_decode(span payload) { return decode(payload, s_root); }
code directive_decode(span payload) { return decode(payload, s_directive); }
code release_decode(span payload) { return decode(payload, s_release); }

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

/* Apart from the check of signatures, which needs the stack for itself. */
__attribute__((noinline)) code root_check(cbor payload) {
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
