-- For scripts/lint: luacheck's settings.
std = "lua54"
max_line_length = 100
unused_args = false
files["tests/lua"] = { std = "+busted" }
-- A stub declares functions without bodies.
files["lua/meta"] = { ignore = { "1", "2", "6" } }
