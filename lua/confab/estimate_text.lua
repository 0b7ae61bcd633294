--- Estimates for people: a small table for each run, and one of all.
local core = require "confab.core"
local forecast = require "confab.forecast"
local progress = require "confab.progress"

local estimate_text = {}

local function count(n)
  local text = ("%.0f"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local function bytes(n)
  local unit
  for _, name in ipairs { "B", "KB", "MB", "GB", "TB" } do
    unit = name
    if n < 1000 or name == "TB" then break end
    n = n / 1000
  end
  return (unit == "B" or n >= 100) and ("%.0f %s"):format(n, unit) or ("%.1f %s"):format(n, unit)
end

local function money(n) return core.text.money(math.floor(n * 1e12 + 0.5)) end

local rows = {
  { "calls", "calls", count }, { "input tokens", "input_tokens", count }, { "output tokens", "output_tokens", count },
  { "cost", "cost", money }, { "time", "time_ms", progress.duration }, { "disk", "disk_bytes", bytes },
}

local function limit_text(limit)
  local window = limit.window_ms == 60000 and "a minute" or "in " .. progress.duration(limit.window_ms)
  local parts = { ("%s requests"):format(count(limit.requests)) }
  if limit.input_tokens then parts[#parts + 1] = count(limit.input_tokens) .. " input tokens" end
  if limit.output_tokens then parts[#parts + 1] = count(limit.output_tokens) .. " output tokens" end
  return ("%s %s (%s)"):format(table.concat(parts, ", "), window, limit.source)
end

--- What stands behind a row.
local function remark(made, field)
  if field == "calls" and made.stored_calls > 0 then return count(made.stored_calls) .. " more are stored" end
  if field == "cost" and not made.cost then return "a price is not known" end
  if field == "cost" then return made.cost_bound and "at most " .. money(made.cost_bound) or "no bound for further calls" end
  if field == "time_ms" and made.limit then return limit_text(made.limit) end
  return nil
end

local function head_of(made)
  local name = made.run and "run " .. made.run or "outside a run"
  if made.items == 0 then return name .. ": no items" end
  if not made.run then return name .. ": 1 call" end
  local parts = { ("%s new"):format(count(made.new_items)) }
  if made.stored_items > 0 then parts[#parts + 1] = count(made.stored_items) .. " stored" end
  if made.failed_items > 0 then parts[#parts + 1] = count(made.failed_items) .. " in error" end
  return ("%s: %s %s, %s"):format(name, count(made.items), made.items == 1 and "item" or "items", table.concat(parts, ", "))
end

--- A run's estimate, or the sum of several, in a few lines.
---@param made confab.Estimate
---@return string
function estimate_text.text(made)
  local lines = { head_of(made) }
  if made.calls.high > 0 then
    lines[#lines + 1] = ("  %-14s %14s %14s %14s"):format("", "low", "expected", "high")
    for _, row in ipairs(rows) do
      local values = made[row[2]]
      local cells = {}
      for _, at in ipairs(forecast.ends) do cells[#cells + 1] = ("%14s"):format(values and row[3](values[at]) or "?") end
      local said = remark(made, row[2])
      lines[#lines + 1] = ("  %-14s %s%s"):format(row[1], table.concat(cells, " "), said and "   " .. said or "")
    end
  end
  for _, text in ipairs(made.basis) do lines[#lines + 1] = "  " .. text end
  for _, text in ipairs(made.covers) do lines[#lines + 1] = "  covers: " .. text end
  return table.concat(lines, "\n")
end

local function add_range(sum, name, part)
  if not sum[name] or not part then
    sum[name] = nil
    return
  end
  for _, at in ipairs(forecast.ends) do sum[name][at] = sum[name][at] + part[at] end
end

local function nothing() return { low = 0, expected = 0, high = 0 } end

--- All estimates added up. Runs of a script come one after another.
---@param all confab.Estimate[]
---@return confab.Estimate
function estimate_text.total(all)
  local sum = { items = 0, new_items = 0, stored_items = 0, failed_items = 0, stored_calls = 0, cost_bound = 0, basis = {},
    covers = {} }
  for _, row in ipairs(rows) do sum[row[2]] = nothing() end
  for _, made in ipairs(all) do
    for _, row in ipairs(rows) do add_range(sum, row[2], made[row[2]]) end
    for _, name in ipairs { "items", "new_items", "stored_items", "failed_items", "stored_calls" } do
      sum[name] = sum[name] + made[name]
    end
    sum.cost_bound = sum.cost_bound and made.cost_bound and sum.cost_bound + made.cost_bound
  end
  return sum
end

--- Prints the estimates of a script to standard output.
---@param all confab.Estimate[]
---@param as_json boolean
function estimate_text.print(all, as_json)
  local total = estimate_text.total(all)
  if as_json then
    total.basis, total.covers = nil, nil    -- those of the runs
    io.stdout:write(core.json.encode { runs = core.json.array(all), total = total }, "\n")
    return
  end
  if #all == 0 then
    io.stdout:write("nothing to estimate: the script makes no run and no call\n")
    return
  end
  for _, made in ipairs(all) do io.stdout:write(estimate_text.text(made), "\n") end
  if #all < 2 then return end
  total.run = "total"
  io.stdout:write((estimate_text.text(total):gsub("^run total", "all of them", 1)), "\n")
end

return estimate_text
