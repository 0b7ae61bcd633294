# What the areas become: libconfab (static and shared), the program, the Lua module; and where
# `cmake --install` puts them. Each product waits for the area it cannot do without.

# Position-independent objects of every area, of the embedded Lua modules and of the page.
set(objects "")
foreach(area ${areas})
  list(APPEND objects $<TARGET_OBJECTS:confab_${area}>)
endforeach()
foreach(embedded confab_embedded confab_page)
  if(TARGET ${embedded})
    list(APPEND objects $<TARGET_OBJECTS:${embedded}>)
  endif()
endforeach()

set(symbols ${PROJECT_SOURCE_DIR}/cmake)

# libconfab is everything but main.c.
foreach(kind static shared)
  string(TOUPPER ${kind} KIND)
  add_library(confab_${kind} ${KIND} ${objects})
  set_target_properties(confab_${kind} PROPERTIES OUTPUT_NAME confab LINKER_LANGUAGE C)
  target_link_libraries(confab_${kind} PRIVATE confab_options PUBLIC ${packages})
  target_include_directories(confab_${kind} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endforeach()
set_target_properties(confab_shared PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${symbols}/libconfab.map)
target_link_options(confab_shared PRIVATE -Wl,--version-script=${symbols}/libconfab.map)

configure_file(${PROJECT_SOURCE_DIR}/docs/confab.1.in ${PROJECT_BINARY_DIR}/confab.1 @ONLY)
file(RELATIVE_PATH CONFAB_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/confab.pc.in ${PROJECT_BINARY_DIR}/confab.pc @ONLY)
install(TARGETS confab_static confab_shared
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/confab DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_BINARY_DIR}/confab.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
# The stubs, for editors that read LuaCATS.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/lua/meta DESTINATION ${CMAKE_INSTALL_DATADIR}/confab)

if(EXISTS ${PROJECT_SOURCE_DIR}/src/main.c AND TARGET confab_cli)
  add_executable(confab src/main.c)
  target_link_libraries(confab PRIVATE confab_cli)
  install(TARGETS confab RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_BINARY_DIR}/confab.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

  # The completions of shells, where each looks for them; the program prints them. One with sanitizers
  # is not installed, and may not run without an environment of its own.
  set(completions "")
  foreach(place bash:bash-completion/completions/confab zsh:zsh/site-functions/_confab
          fish:fish/vendor_completions.d/confab.fish)
    string(REGEX MATCH "^([a-z]+):(.*)/([^/]+)$" matched ${place})
    set(file ${PROJECT_BINARY_DIR}/completions/${CMAKE_MATCH_2}/${CMAKE_MATCH_3})
    list(APPEND completions ${file})
    add_custom_command(OUTPUT ${file}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions/${CMAKE_MATCH_2}
      COMMAND confab completion ${CMAKE_MATCH_1} > ${file}
      DEPENDS confab VERBATIM)
  endforeach()
  if(NOT CONFAB_SANITIZE)
    add_custom_target(confab_completions ALL DEPENDS ${completions})
    install(DIRECTORY ${PROJECT_BINARY_DIR}/completions/ DESTINATION ${CMAKE_INSTALL_DATADIR})
  endif()
endif()

# confab.so for a user's own interpreter: Lua's functions are the host's, so liblua is not linked.
# It exports luaopen_confab and those of its C submodules, which `require` finds by itself.
if(TARGET confab_lua)
  add_library(confab_module MODULE ${objects})
  set_target_properties(confab_module PROPERTIES
    OUTPUT_NAME confab PREFIX "" LINKER_LANGUAGE C
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lua
    LINK_DEPENDS ${symbols}/module.map)
  list(REMOVE_ITEM packages PkgConfig::LUA)
  target_link_libraries(confab_module PRIVATE confab_options ${packages})
  target_link_options(confab_module PRIVATE -Wl,--version-script=${symbols}/module.map)
  install(TARGETS confab_module LIBRARY DESTINATION lib/lua/5.4)
endif()
