// What evaluation boards have to measure and to move where an emulator runs them, and what they lack: randomness.
#ifndef HYPHA_DEMO_THINGS_H
#define HYPHA_DEMO_THINGS_H

#include "../board.h"
#include "../wasm/host.h"

/* Nothing can be measured there. A slow triangle stands for a temperature, so that a demonstration sees something move. */
static int read_temperature(double *value) {
  uint32_t at = board_millis() / 1000 % 120;
  *value = 15.0 + (at < 60 ? at : 120 - at) / 10.0;
  return host_sensor_ok;
}
static int set_led(double value) { return value < 0 || value > 1 ? host_actuator_out_of_range : host_actuator_ok; }

static const board_thing demo_sensors[] = {{.name = "outdoor", .read = read_temperature}, {.name = "soil", .read = read_temperature}};
static const board_thing demo_actuators[] = {{.name = "led", .set = set_led}};

/** Fields of `board`. */
#define DEMO_THINGS .sensors = demo_sensors, .sensor_count = 2, .actuators = demo_actuators, .actuator_count = 1

bool board_entropy(uint8_t *bytes, uint32_t count) {
  (void)bytes;
  (void)count;
  return false;
}

#endif
