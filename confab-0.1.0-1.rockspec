-- confab.so for a Lua 5.4 of your own, without the program: run `luarocks make` in this folder. It
-- builds what lies here and fetches nothing; the libraries that scripts/setup lists must be installed.
rockspec_format = "3.0"
package = "confab"
version = "0.1.0-1"

-- A field that LuaRocks insists on, and `luarocks make` does not read: the source is this folder.
source = { url = "file://." }

description = {
  summary = "Datasets of multi-turn conversations through the Claude API, from a Lua script",
  detailed = [[
Templates, parameter sweeps and multi-step workflows in Lua; a C core that keeps inside the provider's
rate limits, retries what is worth retrying, never pays twice for a reply, and stores every reply in SQLite.]],
  license = "MIT",
}

supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }

build = {
  type = "command",
  build_command = "cmake -S . -B build/luarocks -DCONFAB_TESTS=OFF && "
    .. "cmake --build build/luarocks --target confab_module --parallel 4",
  install = { lib = { confab = "build/luarocks/lua/confab.so" } },
}
