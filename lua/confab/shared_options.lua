--- The checks of options that more than one call takes.
local shared = {}

local count = { type = "integer", min = 0 }

--- `limits` of confab.setup and of a key, and what confab.limiter takes.
shared.limits = {
  max_requests = { type = "integer", min = 1 }, max_input_tokens = count,
  max_output_tokens = count, window_ms = { type = "integer", min = 1 }, concurrency = count,
  enable_queue = { type = "boolean" }, pause_threshold = { type = "number", above = 0, max = 1 },
  pacing = { type = "string", one_of = { "auto", "smooth", "burst" } },
}

--- `retry` of confab.setup, and what confab.retry takes.
shared.retry = {
  max_attempts = { type = "integer", min = 1, max = 1000 }, base_delay_ms = count,
  max_delay_ms = count, jitter_ms = count,
}

return shared
