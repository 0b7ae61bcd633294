# embed_file(<path> <array>) appends a C array with the bytes of ROOT/<path> to `arrays`, sets `size` to
# how many there are and `hash` to their SHA-256. The NUL behind them is not counted; it also keeps the
# array of an empty file legal.
macro(embed_file path array)
  file(READ ${ROOT}/${path} hex HEX)
  file(SHA256 ${ROOT}/${path} hash)
  string(LENGTH "${hex}" size)
  math(EXPR size "${size} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  string(APPEND arrays "static const char ${array}[] = {\n    ${hex}0x00\n};\n\n")
endmacro()
