-- What several specs need: files in a folder of their own, the real input files, errors in a row.
local support = {}

local root = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local folder

--- A file with these bytes in a fresh temporary folder; its path.
function support.file(content, name)
  if not folder then
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p '" .. folder .. "'"))
  end
  local path = folder .. "/" .. (name or "input")
  assert(os.execute("mkdir -p '" .. path:match("^(.*)/") .. "'"))
  local file = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
  return path
end

--- Removes the folder.
function support.clean()
  if folder then os.execute("rm -rf '" .. folder .. "'") end
  folder = nil
end

--- The path of a real input file, or nil where the shared folder is absent.
function support.shared(name)
  local path = root .. "../../../shared/data/" .. name
  local file = io.open(path, "rb")
  if not file then return nil end
  file:close()
  return path
end

--- The error that fn raises; fails if it raises none.
function support.raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok, "no error was raised")
  return err
end

--- A message with the path of the file taken out.
function support.plain(err, path)
  return (tostring(err):gsub(path:gsub("%p", "%%%0"), "FILE"))
end

return support
