// Warns when it freezes outdoors. The alarm goes on at 0.5 °C and off only at 2 °C, so that a temperature that wavers around one
// threshold doesn't ring all night. Whether it is on, and how often it went on, outlives restarts and new versions: it is in kv.

#include <hypha.h>
#include <hypha/host/kv.h>
#include <hypha/host/log.h>
#include <hypha/host/messages.h>
#include <hypha/host/telemetry.h>
#include <hypha/module/inbox.h>

#define FREEZES_BELOW 0.5
#define THAWS_ABOVE 2.0

typedef struct {
  uint32_t count;
  bool on;
} alarm_t;

static alarm_t load(void) {
  alarm_t alarm = {0, false};
  hypha_option_bytes_t saved = hypha_host_kv_get(HYPHA_STR("alarm"));
  if (saved.is_some && saved.val.len == sizeof alarm) memcpy(&alarm, saved.val.ptr, sizeof alarm);
  return alarm;
}

static void change(alarm_t *alarm, bool on, double celsius) {
  alarm->on = on;
  if (on) alarm->count++;
  hypha_host_kv_set(HYPHA_STR("alarm"), (hypha_bytes_t){(uint8_t *)alarm, sizeof *alarm});

  hypha_string_t state = on ? HYPHA_STR("on") : HYPHA_STR("off");
  int64_t count = alarm->count;
  hypha_string_t message = HYPHA_FORMAT("{\"frost\":\"%s\",\"celsius\":%f,\"count\":%d}", &state, &celsius, &count);
  hypha_host_messages_publish(HYPHA_STR("alarm/frost"), hypha_bytes(message));
  hypha_host_log_write(HYPHA_HOST_LOG_LEVEL_WARN, HYPHA_FORMAT("frost alarm %s at %f °C", &state, &celsius));
}

void hypha_module_inbox_deliver(hypha_string_t topic, hypha_bytes_t payload) {
  (void)topic;
  double celsius;
  if (!hypha_json_number(payload, HYPHA_STR("value"), &celsius)) {
    hypha_host_log_write(HYPHA_HOST_LOG_LEVEL_ERROR, HYPHA_STR("a reading without a number is passed over"));
    return;
  }
  alarm_t alarm = load();
  if (!alarm.on && celsius < FREEZES_BELOW) change(&alarm, true, celsius);
  else if (alarm.on && celsius > THAWS_ABOVE) change(&alarm, false, celsius);
  hypha_host_telemetry_emit(HYPHA_STR("frost"), alarm.on ? 1 : 0);
}
