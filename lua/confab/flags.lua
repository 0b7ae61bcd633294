--- What the command line said. The program fills this table before a script runs; in a user's own
--- interpreter it stays empty.

---@class confab.Flags
---@field db? string
---@field simulate? string  Spec of the simulator.
---@field model? string
---@field base_url? string
---@field concurrency? integer
---@field limit? integer  Only the first so many items of each run.
---@field failed? boolean  Ask anew where items failed on content.
---@field offline? boolean  Send nothing.
---@field max_new? integer  Send nothing if more than so many calls are to be sent.
---@field min_acceptance? number  The least share of accepted items.
---@field fresh? boolean  Start new generations of runs.
---@field script? string  Path of the script.
---@field script_text? string
---@field args? string  JSON list of the script's arguments.
---@field options? string  JSON of simulate, model, base_url, concurrency and limit: for `confab resume`.
return {}
