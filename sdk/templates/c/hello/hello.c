// Counts its ticks. Which headers of hypha/module are included says how the module is driven: `tick` is called once per
// `timer` in hypha.toml.

#include <hypha.h>
#include <hypha/host/log.h>
#include <hypha/host/telemetry.h>
#include <hypha/module/timer.h>

static uint32_t ticks;

void hypha_module_timer_tick(uint64_t now_ms) {
  ticks++;
  hypha_host_telemetry_emit(HYPHA_STR("ticks"), ticks);
  if (ticks == 1) {
    int64_t at = (int64_t)now_ms;
    hypha_host_log_write(HYPHA_HOST_LOG_LEVEL_INFO, HYPHA_FORMAT("hello: the first tick is at %d", &at));
  }
}
