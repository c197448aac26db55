// The handler tree on Go's net/http: upstream mux|clean PORT STATIC_FOLDER.
//
// mux routes with http.ServeMux and its patterns; clean routes as many programs do by hand, by the prefix of the cleaned,
// decoded path.
package main

import (
	"log"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

func said(handler string) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("x-handler", handler)
		writer.Header().Set("x-saw", url.QueryEscape(request.URL.Path))
		_, _ = writer.Write([]byte(handler))
	}
}

func mux(static http.Handler) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/{$}", said("public:home"))
	routes.Handle("/admin", said("protected:admin"))
	routes.Handle("/admin/", said("protected:admin"))
	routes.Handle("/public/private", said("protected:private"))
	routes.Handle("/public/private/", said("protected:private"))
	routes.Handle("/api/v1/users", said("protected:users"))
	routes.Handle("/api/v1/users/help", said("public:help"))
	routes.Handle("/api/v1/users/{id}", said("protected:users"))
	routes.Handle("/files/{name}", said("public:file"))
	routes.Handle("/static/", static)
	routes.Handle("/", said("public:any"))
	return routes
}

func under(place, prefix string) bool {
	return place == prefix || strings.HasPrefix(place, prefix+"/")
}

func clean(static http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		place := path.Clean(request.URL.Path)
		switch {
		case place == "/":
			said("public:home")(writer, request)
		case under(place, "/admin"):
			said("protected:admin")(writer, request)
		case under(place, "/public/private"):
			said("protected:private")(writer, request)
		case place == "/api/v1/users/help":
			said("public:help")(writer, request)
		case under(place, "/api/v1/users"):
			said("protected:users")(writer, request)
		case under(place, "/files"):
			said("public:file")(writer, request)
		case under(place, "/static"):
			static.ServeHTTP(writer, request)
		default:
			said("public:any")(writer, request)
		}
	})
}

func main() {
	kind, port, folder := os.Args[1], os.Args[2], os.Args[3]
	static := http.StripPrefix("/static/", http.FileServer(http.Dir(folder)))
	handler := mux(static)
	if kind == "clean" {
		handler = clean(static)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, handler))
}
