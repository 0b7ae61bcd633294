# Compiles the description of the HTTP API, src/server/openapi/, into the area server, as the table
# that src/server/openapi.h declares.
#
# Included by CMakeLists.txt it adds to the library confab_server; run with `cmake -P` it writes the
# C file.

if(CMAKE_SCRIPT_MODE_FILE)
  # cmake -DROOT=<src/server/openapi> -DOUT=<file.c> -P openapi.cmake
  include(${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake)

  set(arrays "")
  set(rows "")
  set(count 0)
  file(GLOB files RELATIVE ${ROOT} ${ROOT}/*.json)
  list(SORT files)
  foreach(file ${files})
    embed_file(${file} part_${count})
    string(APPEND rows "    { \"${file}\", part_${count}, ${size} },\n")
    math(EXPR count "${count} + 1")
  endforeach()

  file(WRITE ${OUT}
    "/* Made by cmake/openapi.cmake from src/server/openapi/; changes here are lost. */\n"
    "#include \"server/openapi.h\"\n\n"
    "${arrays}"
    "const struct cf_openapi_part cf_openapi_parts[] = {\n${rows}    { NULL, NULL, 0 },\n};\n")
  return()
endif()

file(GLOB parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/server/openapi/*.json)
# CONFIGURE_DEPENDS sees added and removed files by re-running CMake; this list then changes too.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/openapi.list CONTENT "${parts}\n")
add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/openapi.c
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/src/server/openapi
          -DOUT=${PROJECT_BINARY_DIR}/openapi.c -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${parts} ${PROJECT_BINARY_DIR}/openapi.list ${CMAKE_CURRENT_LIST_FILE}
          ${CMAKE_CURRENT_LIST_DIR}/embed_file.cmake
  COMMENT "Embedding the description of the HTTP API"
  VERBATIM)
target_sources(confab_server PRIVATE ${PROJECT_BINARY_DIR}/openapi.c)
