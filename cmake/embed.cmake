# Compiles lua/confab/**/*.lua into the program, as the table that src/lua/embedded.h declares; and the
# stub lua/meta/confab.lua as the module confab.stub_text, which gives its text: `help` reads it.
#
# Included by CMakeLists.txt it defines the library confab_embedded; run with `cmake -P` it writes
# the C file. The bytes are the plain source, so that tracebacks name the lines a reader sees.

if(CMAKE_SCRIPT_MODE_FILE)
  # cmake -DROOT=<folder of lua/> -DOUT=<file.c> -P embed.cmake
  file(GLOB_RECURSE modules RELATIVE ${ROOT} ${ROOT}/confab/*.lua)
  list(APPEND modules meta/confab.lua)
  list(SORT modules)
  set(arrays "")
  set(rows "")
  set(count 0)
  foreach(module ${modules})
    file(READ ${ROOT}/${module} hex HEX)
    string(LENGTH "${hex}" size)
    string(REGEX REPLACE "\\.lua$" "" name "${module}")
    string(REPLACE "/" "." name "${name}")
    if(name STREQUAL "meta.confab")
      set(name confab.stub_text)
      set(hex "72657475726e205b3d3d5b0a${hex}5d3d3d5d")    # return [==[ ... ]==]
      string(LENGTH "${hex}" size)
    endif()
    math(EXPR size "${size} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    # The NUL behind each text is not counted; it also keeps the array of an empty file legal.
    string(APPEND arrays
      "static const char module_${count}[] = {\n    ${hex}0x00\n};\n\n")
    string(APPEND rows "    { \"${name}\", module_${count}, ${size} },\n")
    math(EXPR count "${count} + 1")
  endforeach()
  file(WRITE ${OUT}
    "/* Made by cmake/embed.cmake from lua/; changes here are lost. */\n"
    "#include \"lua/embedded.h\"\n\n"
    "${arrays}"
    "const struct cf_embedded_module cf_embedded_modules[] = {\n${rows}    { NULL, NULL, 0 },\n};\n"
    "const size_t cf_embedded_modules_count = ${count};\n")
  return()
endif()

file(GLOB_RECURSE modules CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lua/confab/*.lua)
list(APPEND modules ${PROJECT_SOURCE_DIR}/lua/meta/confab.lua)
# CONFIGURE_DEPENDS sees added and removed files by re-running CMake; this list then changes too.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/embedded.list CONTENT "${modules}\n")
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/embedded.c
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/lua -DOUT=${PROJECT_BINARY_DIR}/embedded.c
          -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${modules} ${PROJECT_BINARY_DIR}/embedded.list ${CMAKE_CURRENT_LIST_FILE}
  COMMENT "Embedding lua/confab"
  VERBATIM)
add_library(confab_embedded STATIC ${PROJECT_BINARY_DIR}/embedded.c)
target_link_libraries(confab_embedded PUBLIC confab_options)
