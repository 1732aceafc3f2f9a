"""A hello page and the admin."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello from {request.path} under {request.META['SCRIPT_NAME'] or '/'}")


urlpatterns = [path("", hello), path("admin/", admin.site.urls)]
